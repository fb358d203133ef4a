//! A machine for the part of Python's pickles that PyTorch writes: it builds values, and can run nothing.
//!
//! A pickle is a program for a stack machine, and Python's own lets it import and call anything. Here a global is a row of
//! the table in `globals.rs` or the file is refused; calling one makes a dictionary, a tensor's description, or [`Value::Opaque`].
//! Lists and dictionaries live in one arena and refer to each other by number, so that no nesting needs a deep stack. No
//! crate reads PyTorch's persistent ids without a tensor library behind it.

mod globals;
mod machine;
mod refused;

use std::rc::Rc;

pub use self::globals::Global;
use self::machine::Machine;
use crate::DType;
use crate::file::Refusal;

/// A pickle of all tensors of a training run has some 300 kB.
pub const MAX_PICKLE: usize = 32 << 20;
/// Values on the stack and in containers; such a run has some 50,000. Each takes up to 100 bytes.
const MAX_VALUES: usize = 1 << 19;

/// What a program has built.
#[derive(Clone, Debug)]
pub enum Value {
    /// `None`.
    None,
    /// `True`, `False`.
    Bool(bool),
    /// An integer of 64 bits at most.
    Int(i64),
    /// A float.
    Float(f64),
    /// A text.
    Text(Rc<str>),
    /// A tuple, list or set: its number in the arena.
    List(usize),
    /// A dictionary: its number in the arena.
    Dict(usize),
    /// An imported name.
    Global(Global),
    /// What a persistent id stands for: a storage's type and key.
    Storage(DType, Rc<str>),
    /// A tensor.
    Tensor(Rc<View>),
    /// Anything that is no weight: bytes, objects of the table that are passed over.
    Opaque,
}

/// A tensor as a window into a storage; all lengths count elements, and nothing is checked yet.
#[derive(Debug)]
pub struct View {
    /// Type of the elements.
    pub dtype: DType,
    /// Which storage.
    pub storage: Rc<str>,
    /// First element.
    pub offset: usize,
    /// Shape.
    pub shape: Vec<usize>,
    /// Elements from one index to the next, for each dimension.
    pub strides: Vec<usize>,
}

/// A dictionary's keys and values, in the order of their setting.
type Entries = Vec<(Value, Value)>;

/// A run program: its result, and all containers.
#[derive(Debug)]
pub struct Pickle {
    /// The result.
    pub root: Value,
    /// Lists by number.
    lists: Vec<Vec<Value>>,
    /// Dictionaries by number.
    dicts: Vec<Entries>,
    /// Bytes of the program.
    pub length: usize,
}

impl Pickle {
    /// Runs the program at the start of `bytes`.
    ///
    /// # Errors
    /// What is wrong with it; [`Refusal::Another`] for an import that is refused.
    pub fn load(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut machine = Machine::new(bytes);
        let root = loop {
            if let Some(root) = machine.step()? {
                break root;
            }
        };
        let (lists, dicts, length) = machine.finish();
        Ok(Self {
            root,
            lists,
            dicts,
            length,
        })
    }

    /// The elements of a list or tuple.
    pub fn list(&self, value: &Value) -> Option<&[Value]> {
        match value {
            Value::List(id) => Some(&self.lists[*id]),
            _ => None,
        }
    }

    /// The names that a list of texts holds, or a dictionary of texts and of the numbers from 0, either way round; in the order of
    /// the numbers.
    pub fn names(&self, value: &Value) -> Option<Vec<&str>> {
        fn text(value: &Value) -> Option<&str> {
            match value {
                Value::Text(text) => Some(text),
                _ => None,
            }
        }
        if let Some(list) = self.list(value) {
            return list.iter().map(text).collect();
        }
        let entries = self.dict(value)?;
        let mut names = vec![None; entries.len()];
        for entry in entries {
            let (name, Value::Int(number)) = (match entry {
                (name @ Value::Text(_), number) | (number, name) => (text(name)?, number),
            }) else {
                return None;
            };
            *names.get_mut(usize::try_from(*number).ok()?)? = Some(name);
        }
        names.into_iter().collect()
    }

    /// The entries of a dictionary.
    pub fn dict(&self, value: &Value) -> Option<&[(Value, Value)]> {
        match value {
            Value::Dict(id) => Some(&self.dicts[*id]),
            _ => None,
        }
    }
}
