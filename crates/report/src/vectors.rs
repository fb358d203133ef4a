//! Vectors of photos for other programs, written as they come: NumPy's format, and Parquet.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// Bytes of NumPy's header, version 1, its length a multiple of 64.
const HEADER: usize = 128;

/// What begins a file of NumPy's, version 1.
const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// What a Parquet file says of who wrote it, in its last bytes: a name and a version, as the format asks for.
const CREATED_BY: &str = concat!("mnasnet version ", env!("CARGO_PKG_VERSION"));

/// As much of it as any version says.
const WRITER: &[u8] = b"mnasnet version ";

/// Bytes at a Parquet file's end that hold who wrote it.
const TAIL: u64 = 4096;

/// Bytes of vectors that wait to be written as a group of rows.
const GROUP: usize = 16 << 20;

/// Writes vectors of float32 as a `.npy` file: an array `[photos, channels]` in C order.
pub struct Npy<W> {
    to: W,
    channels: usize,
    rows: usize,
}

impl<W: Write + Seek> Npy<W> {
    /// Begins a file of vectors of `channels` numbers.
    ///
    /// # Errors
    /// The writer's.
    pub fn new(mut to: W, channels: usize) -> io::Result<Self> {
        // How many rows there are is known at the end.
        to.write_all(&[0; HEADER])?;
        Ok(Self { to, channels, rows: 0 })
    }

    /// Writes a vector.
    ///
    /// # Errors
    /// The writer's.
    pub fn push(&mut self, vector: &[f32]) -> io::Result<()> {
        self.rows += 1;
        let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.to.write_all(&bytes)
    }

    /// Writes the header.
    ///
    /// # Errors
    /// The writer's.
    pub fn finish(mut self) -> io::Result<W> {
        let shape = format!("({}, {})", self.rows, self.channels);
        let dictionary = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        let length = HEADER - 10;
        let mut header = MAGIC.to_vec();
        header.extend((length as u16).to_le_bytes());
        header.extend(format!("{dictionary:<width$}\n", width = length - 1).bytes());
        self.to.seek(SeekFrom::Start(0))?;
        self.to.write_all(&header)?;
        self.to.flush()?;
        Ok(self.to)
    }
}

/// Whether a file is an array of NumPy's.
pub fn is_npy(path: &Path) -> bool {
    let mut found = [0; MAGIC.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut found));
    read.is_ok() && found == MAGIC
}

/// Whether a file is a Parquet file that [`Parquet`] wrote.
pub fn is_our_parquet(path: &Path) -> bool {
    let tail = || {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut tail = Vec::new();
        file.take(TAIL).read_to_end(&mut tail).map(|_| tail)
    };
    let says = |tail: Vec<u8>| tail.ends_with(b"PAR1") && tail.windows(WRITER.len()).any(|bytes| bytes == WRITER);
    tail().is_ok_and(says)
}

/// Writes vectors as Parquet: a row a photo, with the columns `image`, `label` and `vector`, which is a list of float32.
pub struct Parquet<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    channels: usize,
    names: Vec<[String; 2]>,
    values: Vec<f32>,
}

const SCHEMA: &str = "message vectors {
    required binary image (UTF8);
    required binary label (UTF8);
    required group vector (LIST) { repeated group list { required float element; } }
}";

impl<W: Write + Send> Parquet<W> {
    /// Begins a file of vectors of `channels` numbers, at least one.
    ///
    /// # Errors
    /// The writer's.
    pub fn new(to: W, channels: usize) -> io::Result<Self> {
        let schema = Arc::new(parse_message_type(SCHEMA).map_err(io_error)?);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(CREATED_BY.into())
            .build();
        Ok(Self {
            writer: SerializedFileWriter::new(to, schema, Arc::new(properties)).map_err(io_error)?,
            channels: channels.max(1),
            names: Vec::new(),
            values: Vec::new(),
        })
    }

    /// Takes a photo's name, its label and its vector.
    ///
    /// # Errors
    /// The writer's.
    pub fn push(&mut self, image: String, label: String, vector: &[f32]) -> io::Result<()> {
        self.names.push([image, label]);
        self.values.extend_from_slice(vector);
        match size_of_val(&self.values[..]) >= GROUP {
            true => self.write_group().map_err(io_error),
            false => Ok(()),
        }
    }

    /// Writes what is left, and the end of the file.
    ///
    /// # Errors
    /// The writer's.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.names.is_empty() {
            self.write_group().map_err(io_error)?;
        }
        let mut to = self.writer.into_inner().map_err(io_error)?;
        to.flush()?;
        Ok(to)
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        let mut at = 0;
        while let Some(mut column) = group.next_column()? {
            match column.untyped() {
                ColumnWriter::ByteArrayColumnWriter(writer) => {
                    let text = |names: &[String; 2]| ByteArray::from(names[at].clone().into_bytes());
                    writer.write_batch(&self.names.iter().map(text).collect::<Vec<_>>(), None, None)?;
                }
                ColumnWriter::FloatColumnWriter(writer) => {
                    // Each number is there; a list begins where nothing is repeated.
                    let there = vec![1; self.values.len()];
                    let repeated = |at: usize| i16::from(!at.is_multiple_of(self.channels));
                    let repeated: Vec<i16> = (0..self.values.len()).map(repeated).collect();
                    writer.write_batch(&self.values, Some(&there), Some(&repeated))?;
                }
                _ => return Err(ParquetError::General("a column of another type".into())),
            }
            column.close()?;
            at += 1;
        }
        group.close()?;
        self.names.clear();
        self.values.clear();
        Ok(())
    }
}

/// What the library says of an error, a full disk above all.
fn io_error(error: ParquetError) -> io::Error {
    io::Error::other(error)
}
