//! Tells which column of a table is the path and which the label, by the header's names and by what is in them.

use std::collections::HashSet;
use std::path::Path;

use super::photos::Photos;
use crate::source::listing::{IMAGE_ENDINGS, has_ending};

/// Names of the columns in a header, without capitals, blanks, dashes, underscores and a plural's s.
const PATH_NAMES: [&str; 19] = [
    "path",
    "file",
    "filename",
    "filepath",
    "fname",
    "name",
    "image",
    "imagepath",
    "imagefile",
    "imagename",
    "imageid",
    "imagefilename",
    "img",
    "imgpath",
    "imgname",
    "imgfile",
    "relpath",
    "id",
    "imgid",
];
const LABEL_NAMES: [&str; 20] = [
    "label",
    "labelname",
    "labelid",
    "labelidx",
    "labelindex",
    "class",
    "classname",
    "classid",
    "classidx",
    "classindex",
    "classlabel",
    "target",
    "category",
    "categoryname",
    "categoryid",
    "wnid",
    "wordnetid",
    "synset",
    "y",
    "finelabel",
];
const SPLIT_NAMES: [&str; 5] = ["split", "subset", "set", "dataset", "partition"];
/// Its cells are true or false.
const VALIDATION_FLAG: &str = "isvalid";
/// Columns that number the rows.
const INDEX_NAMES: [&str; 3] = ["", "unnamed0", "index"];

/// The rows that are looked at, spread over the table.
const LOOKED_AT: usize = 64;

/// A text from a stranger, for a sentence: no longer than a line or two.
pub(super) fn cut(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// What a table's columns are.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) path: usize,
    pub(super) label: usize,
    /// The column that says which split a row is of, and whether by true and false.
    pub(super) split: Option<(usize, bool)>,
    /// Whether the first row is a header.
    pub(super) header: bool,
    /// What was taken for what, where the header's names alone do not say it.
    pub(super) note: Option<String>,
}

/// Why columns cannot be told, as a sentence.
#[derive(Debug)]
pub(super) enum Refused {
    /// No cell leads to a photo.
    NoPhotos(String),
    /// Anything else.
    Else(String),
}

impl From<String> for Refused {
    fn from(reason: String) -> Self {
        Self::Else(reason)
    }
}

/// The first row, and what is known of each column.
struct Look<'a> {
    first: &'a [String],
    header: bool,
    /// Columns that hold files' names.
    paths: Vec<usize>,
}

impl Columns {
    /// Finds the columns; `rows` gives all rows from the first on, and a cell leads to a photo as `photos` says.
    pub(super) fn find<R>(photos: &Photos, rows: &dyn Fn() -> R) -> Result<Self, Refused>
    where
        R: Iterator<Item = Result<(u64, csv::StringRecord), String>>,
    {
        let mut count = 0;
        for row in rows() {
            row?;
            count += 1;
        }
        let Some(first) = rows().next().transpose()? else {
            return Err("the table has no rows".to_owned().into());
        };
        let first: Vec<String> = first.1.iter().map(str::to_owned).collect();
        let is_file = |cell: &str| !cell.is_empty() && photos.has(cell);
        let is_image_name = |cell: &str| has_ending(Path::new(cell), IMAGE_ENDINGS);
        let header = !first.iter().any(|cell| is_file(cell) || is_image_name(cell));
        let below = count - usize::from(header);
        if below == 0 {
            return Err(format!(
                "the table has no rows below its header ({}); known names are {}",
                cut(&first.join(", ")),
                known_names()
            )
            .into());
        }
        let mut files = vec![0; first.len()];
        let mut example = Vec::new();
        let step = below.div_ceil(LOOKED_AT);
        for row in rows().skip(usize::from(header)).step_by(step) {
            let (_, row) = row?;
            (0..first.len()).for_each(|column| files[column] += usize::from(is_file(&row[column])));
            if example.is_empty() {
                example = row.iter().map(str::to_owned).collect();
            }
        }
        let looked = below.div_ceil(step);
        // A number may be the name of a photo by chance.
        let least = if photos.by_name() { looked.div_ceil(2) } else { 1 };
        let paths: Vec<usize> = (0..first.len()).filter(|&column| files[column] >= least).collect();
        let mut look = Look {
            first: &first,
            header,
            paths,
        };
        if look.paths.is_empty() {
            let named = look.named(&PATH_NAMES);
            let column = (0..first.len()).find(|&column| is_image_name(&example[column]));
            return Err(Refused::NoPhotos(match named.first().copied().or(column) {
                Some(column) => format!(
                    "no image of the table is there: there is no file {}, for example, and no photo of that name in the folder or \
                     below; name the folder of the photos by `image_dir`",
                    cut(&photos.folder().join(&example[column]).to_string_lossy())
                ),
                None => look.refusal(),
            }));
        }
        let path = look.path().ok_or_else(|| look.refusal())?;
        if photos.by_name() {
            look.paths = vec![path];
        }
        let label = look.label(path, rows)?;
        let known = |column: usize, names| look.named(names).contains(&column);
        let alone = look.named(&LABEL_NAMES).len() == 1;
        let sure = match header {
            true => known(path, &PATH_NAMES) && known(label, &LABEL_NAMES) && alone,
            false => first.len() == 2,
        };
        let name = |column: usize| match header {
            true => format!("`{}`", first[column]),
            false => (column + 1).to_string(),
        };
        let flag = look.named(&[VALIDATION_FLAG]).first().map(|&column| (column, true));
        Ok(Self {
            path,
            label,
            split: look.named(&SPLIT_NAMES).first().map(|&column| (column, false)).or(flag),
            header,
            note: (!sure).then(|| format!("takes column {} for paths and {} for labels", name(path), name(label))),
        })
    }
}

impl Look<'_> {
    /// Columns whose name is one of `names`.
    fn named(&self, names: &[&str]) -> Vec<usize> {
        let is_named = |&column: &usize| {
            let key: String = self.first[column].chars().filter(|c| c.is_alphanumeric()).collect();
            let key = key.to_lowercase();
            names
                .iter()
                .any(|name| key == *name || key.strip_suffix('s') == Some(name))
        };
        (0..self.first.len())
            .filter(|column| self.header && is_named(column))
            .collect()
    }

    /// The column that holds files and is named so, or the only one that holds files.
    fn path(&self) -> Option<usize> {
        let named = self.named(&PATH_NAMES);
        let both: Vec<usize> = self
            .paths
            .iter()
            .copied()
            .filter(|column| named.contains(column))
            .collect();
        only(&both).or_else(|| only(&self.paths))
    }

    /// The column that is named so, one of several that say the same, or the only one that is left.
    fn label<R>(&self, path: usize, rows: &dyn Fn() -> R) -> Result<usize, String>
    where
        R: Iterator<Item = Result<(u64, csv::StringRecord), String>>,
    {
        let other = [&SPLIT_NAMES[..], &[VALIDATION_FLAG], &INDEX_NAMES].concat();
        let other = self.named(&other);
        let left: Vec<usize> = (0..self.first.len())
            .filter(|column| *column != path && !self.paths.contains(column) && !other.contains(column))
            .collect();
        let named: Vec<usize> = self
            .named(&LABEL_NAMES)
            .into_iter()
            .filter(|column| left.contains(column))
            .collect();
        match named.as_slice() {
            [] => only(&left).ok_or_else(|| self.refusal()),
            [one] => Ok(*one),
            [first, rest @ ..] => {
                for other in rest {
                    if !say_the_same(*first, *other, rows)? {
                        return Err(self.refusal());
                    }
                }
                // Names say more than numbers.
                let second = rows().nth(1).transpose()?;
                let is_name = |column: &&usize| {
                    second
                        .as_ref()
                        .is_some_and(|(_, row)| row[**column].parse::<u32>().is_err())
                };
                Ok(*named.iter().find(is_name).unwrap_or(first))
            }
        }
    }

    fn refusal(&self) -> String {
        format!(
            "cannot tell the column of paths and that of labels: the first line is `{}`{}; known names are {}",
            self.first.join(", "),
            match self.header {
                true => ", where these two must be named, and one of each",
                false => ", which is no header: put one above it",
            },
            known_names()
        )
    }
}

fn known_names() -> String {
    format!("{} and {}", PATH_NAMES.join(", "), LABEL_NAMES.join(", "))
}

fn only(columns: &[usize]) -> Option<usize> {
    match columns {
        [one] => Some(*one),
        _ => None,
    }
}

/// Whether two columns name the same classes: each value of one goes with one value of the other.
fn say_the_same<R>(a: usize, b: usize, rows: &dyn Fn() -> R) -> Result<bool, String>
where
    R: Iterator<Item = Result<(u64, csv::StringRecord), String>>,
{
    let (mut left, mut right, mut pairs) = (HashSet::new(), HashSet::new(), HashSet::new());
    for row in rows().skip(1) {
        let (_, row) = row?;
        let (a, b) = (row[a].to_owned(), row[b].to_owned());
        left.insert(a.clone());
        right.insert(b.clone());
        pairs.insert((a, b));
    }
    Ok(left.len() == pairs.len() && right.len() == pairs.len())
}
