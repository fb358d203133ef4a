//! Pages that are compressed with Zstandard, which the parquet crate reads through a library in C alone. Here it hands the
//! pages out as they are, and `ruzstd` decompresses them.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use ruzstd::decoding::StreamingDecoder;

/// The pages of a column of a row group, decompressed.
pub(super) struct Pages(SerializedPageReader<File>);

/// The most bytes of a page; writers end one after a megabyte, or after the photo that is larger.
const MAX_PAGE: u64 = 1 << 29;

impl Pages {
    pub(super) fn new(file: Arc<File>, chunk: &ColumnChunkMetaData, rows: usize) -> Result<Self, ParquetError> {
        let plain = chunk.clone().into_builder();
        let plain = plain.set_compression(Compression::UNCOMPRESSED).build()?;
        Ok(Self(SerializedPageReader::new(file, &plain, rows, None)?))
    }
}

impl Iterator for Pages {
    type Item = Result<Page, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>, ParquetError> {
        let Some(mut page) = self.0.get_next_page()? else {
            return Ok(None);
        };
        match &mut page {
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => *buf = decompressed(buf, 0)?.into(),
            Page::DataPageV2 {
                buf,
                def_levels_byte_len,
                rep_levels_byte_len,
                is_compressed: is_compressed @ true,
                ..
            } => {
                // Levels are never compressed.
                *buf = decompressed(buf, *def_levels_byte_len as usize + *rep_levels_byte_len as usize)?.into();
                *is_compressed = false;
            }
            Page::DataPageV2 { .. } => {}
        }
        Ok(Some(page))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>, ParquetError> {
        self.0.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<(), ParquetError> {
        self.0.skip_next_page()
    }
}

/// A page whose first bytes are as they are.
fn decompressed(page: &[u8], plain: usize) -> Result<Vec<u8>, ParquetError> {
    let damaged = |reason: &dyn std::fmt::Display| ParquetError::General(format!("a page is damaged: {reason}"));
    let (plain, compressed) = page
        .split_at_checked(plain)
        .ok_or_else(|| damaged(&"its levels are cut short"))?;
    let mut bytes = plain.to_vec();
    // A page of nothing but nulls has no values.
    if compressed.is_empty() {
        return Ok(bytes);
    }
    let decoder = StreamingDecoder::new(compressed).map_err(|error| damaged(&error))?;
    let read = decoder.take(MAX_PAGE).read_to_end(&mut bytes);
    match read.map_err(|error| damaged(&error))? as u64 {
        MAX_PAGE => Err(damaged(&format!("it has more than {MAX_PAGE} bytes"))),
        _ => Ok(bytes),
    }
}
