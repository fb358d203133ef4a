//! Predictions as Parquet, with the columns of the CSV.

use std::sync::Arc;

use mnasnet_judge::outcomes::{Outcome, Outcomes};
use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::error::ReportError;
use crate::numbers::Names;
use crate::table;

/// Rows that are written together.
const ROWS: usize = 1 << 16;

/// A row a photo, in the order of the set: names as UTF-8, places as int32, the other numbers as float.
pub fn predictions(outcomes: &Outcomes, names: &Names) -> Result<Vec<u8>, ReportError> {
    written(outcomes, names).map_err(|error| ReportError::table("predictions")(&error))
}

fn written(outcomes: &Outcomes, names: &Names) -> Result<Vec<u8>, ParquetError> {
    let columns = table::columns(outcomes.classes);
    let fields: String = columns.iter().map(|column| field(column)).collect();
    let schema = Arc::new(parse_message_type(&format!("message predictions {{ {fields} }}"))?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    for photos in outcomes.photos.chunks(ROWS) {
        let mut group = writer.next_row_group()?;
        let mut at = 0;
        while let Some(mut column) = group.next_column()? {
            match column.untyped() {
                ColumnWriter::ByteArrayColumnWriter(writer) => {
                    let texts: Vec<ByteArray> = photos
                        .iter()
                        .map(|photo| text(photo, at, names).into_bytes().into())
                        .collect();
                    writer.write_batch(&texts, None, None)?;
                }
                ColumnWriter::Int32ColumnWriter(writer) => {
                    let places: Vec<i32> = photos.iter().map(|photo| photo.rank as i32 + 1).collect();
                    writer.write_batch(&places, None, None)?;
                }
                ColumnWriter::FloatColumnWriter(writer) => {
                    let numbers: Vec<f32> = photos.iter().map(|photo| number(photo, at)).collect();
                    writer.write_batch(&numbers, None, None)?;
                }
                _ => return Err(ParquetError::General("a column of another type".into())),
            }
            column.close()?;
            at += 1;
        }
        group.close()?;
    }
    writer.into_inner()
}

fn field(column: &str) -> String {
    match column {
        "place" => format!("required int32 {column}; "),
        "image" | "label" => format!("required binary {column} (UTF8); "),
        _ if column.starts_with("class_") => format!("required binary {column} (UTF8); "),
        _ => format!("required float {column}; "),
    }
}

/// The text of a photo's column: the image, the label, or the class of a place.
fn text(photo: &Outcome, column: usize, names: &Names) -> String {
    match column {
        0 => (names.photo)(photo.index),
        1 => names.class(photo.label),
        column => photo
            .top()
            .nth((column - 5) / 2)
            .map_or(String::new(), |(class, _)| names.class(class)),
    }
}

/// The number of a photo's column: the label's probability, the loss, or the probability of a place.
fn number(photo: &Outcome, column: usize) -> f32 {
    match column {
        2 => (-photo.loss).exp(),
        4 => photo.loss,
        column => photo
            .top()
            .nth((column - 5) / 2)
            .map_or(0.0, |(_, probability)| probability),
    }
}
