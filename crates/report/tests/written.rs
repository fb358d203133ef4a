//! Tables and pages of made-up predictions: what is written is read back, few classes and many.

use mnasnet_group::Group;
use mnasnet_judge::outcomes::{Outcomes, Sink};
use mnasnet_report::numbers::{Names, Numbers, Subject};
use mnasnet_report::thumbnails::Thumbnails;
use mnasnet_report::{columns, page, table, vectors};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

/// Photos of `classes` classes in turn. Every third one is taken for the class after its own, of each ten classes the first.
fn outcomes(photos: u32, classes: usize) -> Outcomes {
    let mut sink = Sink::new(photos as usize, photos as usize, classes).unwrap();
    for index in 0..photos {
        let label = index % classes as u32;
        let said = match index % 3 {
            0 if label.is_multiple_of(10) => (label + 1) % classes as u32,
            _ => label,
        };
        let mut logits: Vec<f32> = (0..classes).map(|class| class as f32 * -0.001).collect();
        logits[said as usize] = 3.0;
        sink.add(&logits, &[label], &[index]);
    }
    sink.finish(&mut Group::alone())
}

fn with_names<R>(outcomes: &Outcomes, body: impl FnOnce(&Names) -> R) -> R {
    let classes: Vec<String> = (0..outcomes.classes)
        .map(|class| format!("class \"{class}\", <b>"))
        .collect();
    body(&Names {
        classes: &classes,
        photo: &|index| format!("photos/{index}, é.jpg"),
    })
}

#[test]
fn parquet_holds_what_the_csv_says() {
    // More rows than a group has, and fewer classes than five.
    for (photos, classes) in [(70_000, 2), (50, 7)] {
        let outcomes = outcomes(photos, classes);
        let (csv, parquet) = with_names(&outcomes, |names| {
            let csv = table::predictions(&outcomes, names).unwrap();
            (csv, columns::predictions(&outcomes, names).unwrap())
        });
        let mut csv = csv::Reader::from_reader(&csv[..]);
        let header: Vec<String> = csv.headers().unwrap().iter().map(String::from).collect();
        assert_eq!(header.len(), 5 + 2 * classes.min(5));
        let file = SerializedFileReader::new(bytes::Bytes::from(parquet)).unwrap();
        let mut rows = file.get_row_iter(None).unwrap();
        let mut count = 0;
        for record in csv.records() {
            let (record, row) = (record.unwrap(), rows.next().unwrap().unwrap());
            for ((name, text), (column, field)) in header.iter().zip(&record).zip(row.get_column_iter()) {
                assert_eq!(name, column);
                match field {
                    Field::Str(value) => assert_eq!(value, text),
                    Field::Int(value) => assert_eq!(value.to_string(), text),
                    Field::Float(value) => assert_eq!(format!("{value:.6}"), text),
                    other => panic!("{name}: {other:?}"),
                }
            }
            count += 1;
        }
        assert!(count == photos && rows.next().is_none());
    }
}

#[test]
fn of_many_classes_the_blocks_that_matter_are_shown() {
    let outcomes = outcomes(2000, 100);
    let html = with_names(&outcomes, |names| {
        let numbers = Numbers::of(Subject::default(), &outcomes, names);
        // 2000 photos, 20 a class; of classes 0, 10, ... some are taken for the next one.
        let pair = &numbers.pairs[0];
        assert!(pair.count == 7 && pair.of == 20, "{pair:?}");
        let confusion = String::from_utf8(table::confusion(&numbers).unwrap()).unwrap();
        assert_eq!(confusion.lines().count(), 1 + 100 + 10);
        let page = page::page(&numbers, &outcomes, names, &Thumbnails::new(), &page::Again::default()).unwrap();
        String::from_utf8(page).unwrap()
    });
    assert_eq!(html.matches("class=\"matrix\"").count(), 6);
    assert!(html.contains("There are 100 classes with photos or answers: shown are 12 of them in 6 groups"));
    assert!(html.contains("7 of 20 photos of <b>class &quot;") && !html.contains(", <b></b>"));
    // Few classes are shown whole.
    let few = self::outcomes(30, 3);
    let html = with_names(&few, |names| {
        let numbers = Numbers::of(Subject::default(), &few, names);
        String::from_utf8(page::page(&numbers, &few, names, &Thumbnails::new(), &page::Again::default()).unwrap())
            .unwrap()
    });
    assert_eq!(html.matches("class=\"matrix\"").count(), 1);
}

#[test]
fn what_has_no_mistakes_says_so() {
    let mut sink = Sink::new(2, 2, 2).unwrap();
    sink.add(&[2.0, 0.0, 0.0, 2.0], &[0, 1], &[0, 1]);
    let outcomes = sink.finish(&mut Group::alone());
    let html = with_names(&outcomes, |names| {
        let numbers = Numbers::of(Subject::default(), &outcomes, names);
        assert!(numbers.pairs.is_empty() && numbers.worst.is_empty());
        String::from_utf8(page::page(&numbers, &outcomes, names, &Thumbnails::new(), &page::Again::default()).unwrap())
            .unwrap()
    });
    assert!(html.contains("0 of 2 photos are wrong.") && html.contains("Every photo is right."));
    assert!(html.contains("No temperature from 0.05 to 20 is the best one"));
}

#[test]
fn vectors_in_parquet_are_lists_of_floats() {
    // More than a group of rows holds: 16 MiB.
    let (photos, channels) = (2100, 2048);
    let vector = |photo: usize| -> Vec<f32> { (0..channels).map(|c| (photo * 3 + c) as f32 * 0.5).collect() };
    let mut parquet = vectors::Parquet::new(Vec::new(), channels).unwrap();
    for photo in 0..photos {
        parquet
            .push(format!("é {photo}"), "cat".into(), &vector(photo))
            .unwrap();
    }
    let file = SerializedFileReader::new(bytes::Bytes::from(parquet.finish().unwrap())).unwrap();
    assert!(file.num_row_groups() > 1);
    let mut count = 0;
    for (photo, row) in file.get_row_iter(None).unwrap().enumerate() {
        let row = row.unwrap();
        let fields: Vec<&Field> = row.get_column_iter().map(|(_, field)| field).collect();
        let [Field::Str(image), Field::Str(label), Field::ListInternal(list)] = fields[..] else {
            panic!("{row}")
        };
        assert_eq!((image.as_str(), label.as_str()), (&*format!("é {photo}"), "cat"));
        let expected = vector(photo);
        let found = list.elements().iter().map(|field| match field {
            Field::Float(value) => *value,
            other => panic!("{other}"),
        });
        assert!(found.eq(expected));
        count += 1;
    }
    assert_eq!(count, photos);
}
