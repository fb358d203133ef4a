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

/// More classes than a list without a header is thought to have.
const MAX_CLASSES: usize = 1 << 16;

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
    pub(super) label: Label,
    /// What the first row calls the columns; their numbers from 1 where it is no header.
    names: Vec<String>,
    /// The column that says which split a row is of, and whether by true and false.
    pub(super) split: Option<(usize, bool)>,
    /// Whether the first row is a header.
    pub(super) header: bool,
    /// What was taken for what, where the header's names alone do not say it.
    pub(super) note: Option<String>,
}

/// Where a row's label is.
#[derive(Debug)]
pub(super) enum Label {
    /// In this column.
    Column(usize),
    /// In the name of the one of these columns that holds a 1 where the others hold a 0.
    OneOf(Vec<(usize, String)>),
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
    /// Rows below the header, spread over the table.
    rows: Vec<csv::StringRecord>,
}

/// What a row of columns of 0 and 1 says in one of them; `None` for anything else.
fn mark(cell: &str) -> Option<bool> {
    match cell.to_ascii_lowercase().as_str() {
        "1" | "1.0" | "true" => Some(true),
        "0" | "0.0" | "false" => Some(false),
        _ => None,
    }
}

/// Whether a cell is an address of the net.
pub(super) fn is_address(cell: &str) -> bool {
    cell.contains("://")
}

/// What to write in place of an address.
pub(super) fn in_place_of_address(cell: &str) -> &'static str {
    match cell.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("file://")) {
        true => ": write the paths of the files, without `file://`",
        false => {
            ", and nothing is fetched from the net: download the photos, and write the names of the files in a column `path`"
        }
    }
}

/// Whether a cell is a list or an object of JSON, or a list as Python writes it.
fn is_list(cell: &str) -> bool {
    cell.starts_with('[') && cell.ends_with(']') || cell.starts_with('{') && cell.ends_with('}')
}

/// Whether a header names a column of paths and one of labels.
pub(super) fn speaks_of_labels(first: &[String]) -> bool {
    let any = |names: &[&str]| first.iter().any(|cell| is_named(cell, names));
    any(&PATH_NAMES) && any(&LABEL_NAMES)
}

/// Whether a column's name is one of `names`.
fn is_named(cell: &str, names: &[&str]) -> bool {
    let key: String = cell.chars().filter(|c| c.is_alphanumeric()).collect();
    let key = key.to_lowercase();
    names
        .iter()
        .any(|name| key == *name || key.strip_suffix('s') == Some(name))
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
                "the table has no rows below its header ({}); {USUAL_NAMES}",
                cut(&first.join(", "))
            )
            .into());
        }
        let mut files = vec![0; first.len()];
        let mut sample = Vec::new();
        let step = below.div_ceil(LOOKED_AT);
        for row in rows().skip(usize::from(header)).step_by(step) {
            let (_, row) = row?;
            (0..first.len()).for_each(|column| files[column] += usize::from(is_file(&row[column])));
            sample.push(row);
        }
        let looked = below.div_ceil(step);
        // A number may be the name of a photo by chance.
        let least = if photos.by_name() { looked.div_ceil(2) } else { 1 };
        let paths: Vec<usize> = (0..first.len()).filter(|&column| files[column] >= least).collect();
        let mut look = Look {
            first: &first,
            header,
            paths,
            rows: sample,
        };
        let name = |column: usize| match header {
            true => format!("`{}`", first[column]),
            false => (column + 1).to_string(),
        };
        if look.paths.is_empty() {
            let example = &look.rows[0];
            if let Some(column) = (0..first.len()).find(|&column| is_address(&example[column])) {
                return Err(Refused::NoPhotos(format!(
                    "column {} holds addresses such as {}{}",
                    name(column),
                    cut(&example[column]),
                    in_place_of_address(&example[column])
                )));
            }
            let named = look.named(&PATH_NAMES);
            let column = (0..first.len()).find(|&column| is_image_name(&example[column]));
            return Err(Refused::NoPhotos(match named.first().copied().or(column) {
                Some(column) => format!(
                    "no image of the table is there: there is no file {}, for example, and no photo of that name in the folder or \
                     below; name the folder of the photos by `--image-dir`",
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
        let sure = match &label {
            Label::Column(label) if header => known(path, &PATH_NAMES) && known(*label, &LABEL_NAMES) && alone,
            Label::Column(_) => first.len() == 2,
            Label::OneOf(_) => false,
        };
        let labels = match &label {
            Label::Column(label) => format!("{} for labels", name(*label)),
            Label::OneOf(classes) => format!(
                "{} for classes, of which each row has one",
                listed(classes.iter().map(|(_, class)| class.as_str()))
            ),
        };
        let flag = look.named(&[VALIDATION_FLAG]).first().map(|&column| (column, true));
        Ok(Self {
            path,
            label,
            split: look.named(&SPLIT_NAMES).first().map(|&column| (column, false)).or(flag),
            header,
            note: (!sure).then(|| format!("takes column {} for paths and {labels}", name(path))),
            names: (0..first.len()).map(name).collect(),
        })
    }
}

impl Columns {
    /// What a column is called, for messages.
    pub(super) fn name(&self, column: usize) -> &str {
        &self.names[column]
    }

    /// What the columns of labels are called, in small letters.
    pub(super) fn labels(&self) -> Vec<String> {
        match &self.label {
            Label::Column(column) => vec![self.names[*column].trim_matches('`').to_lowercase()],
            Label::OneOf(classes) => classes.iter().map(|(_, name)| name.to_lowercase()).collect(),
        }
    }

    /// A row's label; of several columns the place of the one that holds a 1. The error goes on after `line 3`.
    pub(super) fn label_of(&self, row: &csv::StringRecord) -> Result<String, String> {
        let classes = match &self.label {
            Label::Column(label) if row[*label].is_empty() => {
                return Err(format!(
                    " has no label: write it in column {}, or take the line out",
                    self.name(*label)
                ));
            }
            Label::Column(label) if is_list(&row[*label]) => {
                return Err(format!(
                    " ({}) has a list for a label, {}: one label a photo is trained; write one text or number in column {}",
                    cut(&row[self.path]),
                    cut(&row[*label]),
                    self.name(*label)
                ));
            }
            Label::Column(label) => return Ok(row[*label].to_owned()),
            Label::OneOf(classes) => classes,
        };
        let photo = cut(&row[self.path]);
        let mut found = Vec::new();
        for (place, (column, class)) in classes.iter().enumerate() {
            match mark(&row[*column]) {
                Some(true) => found.push((place, class.as_str())),
                Some(false) => {}
                None => {
                    return Err(format!(
                        " ({photo}): column {} holds {:?}, where other lines have 0 or 1",
                        self.name(*column),
                        cut(&row[*column])
                    ));
                }
            }
        }
        match found[..] {
            [(place, _)] => Ok(place.to_string()),
            [] => Err(format!(
                " ({photo}) has a 1 in no column of a class ({}): one label a photo is trained; give it one, or take the line out",
                listed(classes.iter().map(|(_, class)| class.as_str()))
            )),
            _ => Err(format!(
                " ({photo}) is of {} classes ({}): one label a photo is trained; leave one 1, or take the line out",
                found.len(),
                listed(found.iter().map(|(_, class)| *class))
            )),
        }
    }
}

impl Look<'_> {
    /// Columns whose name is one of `names`.
    fn named(&self, names: &[&str]) -> Vec<usize> {
        (0..self.first.len())
            .filter(|&column| self.header && is_named(&self.first[column], names))
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

    /// The column that is named so, one of several that say the same, the only one that is left, or those of one class each.
    fn label<R>(&self, path: usize, rows: &dyn Fn() -> R) -> Result<Label, String>
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
            [] => match only(&left) {
                Some(one) => Ok(Label::Column(one)),
                None => match (self.one_of(&left), self.header) {
                    (Some(classes), _) => Ok(Label::OneOf(classes)),
                    (None, false) => self
                        .finest(&left, rows)?
                        .map(Label::Column)
                        .ok_or_else(|| self.refusal()),
                    (None, true) => Err(self.refusal()),
                },
            },
            [one] => Ok(Label::Column(*one)),
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
                Ok(Label::Column(*named.iter().find(is_name).unwrap_or(first)))
            }
        }
    }

    /// Of the columns that are `left` those of one class each: 0 and 1, with one 1 in each row where there are others beside
    /// them.
    fn one_of(&self, left: &[usize]) -> Option<Vec<(usize, String)>> {
        let of_marks = |column: &usize| self.rows.iter().all(|row| mark(&row[*column]).is_some());
        let classes: Vec<usize> = left.iter().copied().filter(of_marks).collect();
        let ones = |row: &csv::StringRecord| {
            let ones = classes.iter().filter(|column| mark(&row[**column]) == Some(true));
            ones.count()
        };
        let sure = classes.len() == left.len() || self.rows.iter().all(|row| ones(row) == 1);
        let named = classes.into_iter().map(|column| (column, self.first[column].clone()));
        let named: Vec<_> = named.collect();
        (self.header && sure && named.len() > 1).then_some(named)
    }

    /// Of columns of whole numbers without a header, as in the Oxford Pets' list (class, species, breed of the species), the one
    /// whose numbers tell those of all others. Each of its classes has two photos on the mean, so that no number of the photo is
    /// taken for a label.
    fn finest<R>(&self, left: &[usize], rows: &dyn Fn() -> R) -> Result<Option<usize>, String>
    where
        R: Iterator<Item = Result<(u64, csv::StringRecord), String>>,
    {
        let is_number = |row: &csv::StringRecord| left.iter().all(|column| row[*column].parse::<u32>().is_ok());
        if left.is_empty() || !self.rows.iter().all(is_number) {
            return Ok(None);
        }
        let mut classes = vec![HashSet::new(); left.len()];
        let (mut whole, mut count) = (HashSet::new(), 0);
        for row in rows() {
            let (_, row) = row?;
            let cells: Vec<String> = left.iter().map(|column| row[*column].to_owned()).collect();
            for (classes, cell) in classes.iter_mut().zip(&cells) {
                classes.insert(cell.clone());
            }
            whole.insert(cells);
            count += 1;
            // Numbers of the photos, such as sizes.
            if whole.len() > MAX_CLASSES {
                return Ok(None);
            }
        }
        let finest = left
            .iter()
            .zip(&classes)
            .find(|(_, classes)| classes.len() == whole.len());
        Ok(finest
            .filter(|(_, classes)| classes.len() > 1 && 2 * classes.len() <= count)
            .map(|(column, _)| *column))
    }

    fn refusal(&self) -> String {
        format!(
            "cannot tell the column of paths and that of labels: the first line is `{}`{}; {USUAL_NAMES}",
            cut(&self.first.join(", ")),
            match self.header {
                true => ", where these two must be named, and one of each",
                false => ", which is no header: put one above it",
            }
        )
    }
}

const USUAL_NAMES: &str = "usual names are path and label (others: docs/data.md)";

/// `a, b, c and 7 more`.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown = names[..names.len().min(5)].join(", ");
    match names.len().saturating_sub(5) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
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
