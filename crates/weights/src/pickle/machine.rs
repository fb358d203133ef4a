//! The stack machine: one operation after the other, all of them bounded.

use std::collections::HashMap;
use std::rc::Rc;

use super::globals::{GLOBALS, Global};
use super::refused::refused;
use super::{Entries, MAX_PICKLE, MAX_VALUES, Value, View};
use crate::file::Refusal;

/// A program, and where it stands.
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    lists: Vec<Vec<Value>>,
    dicts: Vec<Entries>,
    /// Values that may still be made.
    room: usize,
}

impl Machine<'_> {
    /// Stands at the start of `bytes`.
    pub(super) fn new(bytes: &[u8]) -> Machine<'_> {
        Machine {
            bytes: &bytes[..bytes.len().min(MAX_PICKLE)],
            at: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            lists: Vec::new(),
            dicts: Vec::new(),
            room: MAX_VALUES,
        }
    }

    /// The containers, and the bytes that the program has.
    pub(super) fn finish(self) -> (Vec<Vec<Value>>, Vec<Entries>, usize) {
        (self.lists, self.dicts, self.at)
    }

    /// One operation, by the letters of Python's `pickletools`. Returns the result at the end.
    pub(super) fn step(&mut self) -> Result<Option<Value>, Refusal> {
        let at = self.at;
        let [operation] = self.take()?;
        match operation {
            b'.' => return Ok(Some(self.pop()?)),
            // PROTO, FRAME.
            0x80 => drop(self.take::<1>()?),
            0x95 => drop(self.take::<8>()?),
            b'(' => {
                self.spend(1)?;
                self.marks.push(self.stack.len());
            }
            b'0' => drop(self.pop()?),
            b'1' => drop(self.popped_to_mark()?),
            b'2' => {
                let top = self.top()?.clone();
                self.push(top)?;
            }
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            b'J' => {
                let value = i32::from_le_bytes(self.take()?);
                self.push(Value::Int(value.into()))?;
            }
            b'K' => {
                let [value] = self.take()?;
                self.push(Value::Int(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.take()?);
                self.push(Value::Int(value.into()))?;
            }
            0x8a => self.long()?,
            b'G' => {
                let value = f64::from_be_bytes(self.take()?);
                self.push(Value::Float(value))?;
            }
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            0x8d => self.text(8)?,
            // BINSTRING, SHORT_BINSTRING of Python 2 are texts too; BINBYTES in three lengths, BYTEARRAY8.
            b'T' => self.text(4)?,
            b'U' => self.text(1)?,
            b'B' => self.blob(4)?,
            b'C' => self.blob(1)?,
            0x8e | 0x96 => self.blob(8)?,
            b']' | b')' | 0x8f => self.push_list(Vec::new())?,
            b'l' | b't' | 0x91 => {
                let values = self.popped_to_mark()?;
                self.push_list(values)?;
            }
            0x85..=0x87 => {
                let values = self.popped(usize::from(operation - 0x84))?;
                self.push_list(values)?;
            }
            b'a' => {
                let value = self.pop()?;
                self.extend(vec![value])?;
            }
            b'e' | 0x90 => {
                let values = self.popped_to_mark()?;
                self.extend(values)?;
            }
            b'}' => self.push_dict()?,
            b'd' => {
                let values = self.popped_to_mark()?;
                self.push_dict()?;
                self.set_items(values)?;
            }
            b's' => {
                let values = self.popped(2)?;
                self.set_items(values)?;
            }
            b'u' => {
                let values = self.popped_to_mark()?;
                self.set_items(values)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.import(&module, &name)?;
            }
            0x93 => match self.popped(2)?.as_slice() {
                [Value::Text(module), Value::Text(name)] => self.import(module, name)?,
                _ => return Err("its pickle imports what is no name".to_owned().into()),
            },
            // REDUCE, NEWOBJ.
            b'R' | 0x81 => {
                let (arguments, callee) = (self.pop()?, self.pop()?);
                self.call(&callee, &arguments)?;
            }
            // BUILD: attributes of an object. Those of a namespace are what it holds; a state_dict's are its modules' versions, told
            // better by the shapes.
            b'b' => {
                let attributes = self.pop()?;
                if let (Value::Dict(from), Value::Dict(to)) = (attributes, self.top()?.clone())
                    && self.dicts[to].is_empty()
                {
                    self.spend(self.dicts[from].len())?;
                    self.dicts[to] = self.dicts[from].clone();
                }
            }
            b'q' => {
                let [index] = self.take()?;
                self.remember(index.into())?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.take()?);
                self.remember(index)?;
            }
            0x94 => {
                let index = u32::try_from(self.memo.len()).unwrap_or(u32::MAX);
                self.remember(index)?;
            }
            b'h' => {
                let [index] = self.take()?;
                self.recall(index.into())?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.take()?);
                self.recall(index)?;
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = self.storage(&id);
                let storage = storage.ok_or_else(|| "its pickle refers to what is no storage".to_owned())?;
                self.push(storage)?;
            }
            other => {
                return Err(format!(
                    "its pickle has the operation {other:#04x} at byte {at}, which PyTorch does not write"
                )
                .into());
            }
        }
        Ok(None)
    }

    fn slice(&mut self, length: usize) -> Result<&[u8], String> {
        let rest = &self.bytes[self.at..];
        let slice = rest.get(..length).ok_or("its pickle is cut, or longer than is read")?;
        self.at += length;
        Ok(slice)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.slice(N)?);
        Ok(bytes)
    }

    /// A length of so many bytes, and as many bytes behind it.
    fn sized(&mut self, width: usize) -> Result<&[u8], String> {
        let length = self
            .slice(width)?
            .iter()
            .rev()
            .fold(0u64, |sum, &byte| sum << 8 | u64::from(byte));
        self.slice(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn text(&mut self, width: usize) -> Result<(), String> {
        let text = String::from_utf8_lossy(self.sized(width)?).into();
        self.push(Value::Text(text))
    }

    fn blob(&mut self, width: usize) -> Result<(), String> {
        self.sized(width)?;
        self.push(Value::Opaque)
    }

    /// LONG1: little-endian two's complement.
    fn long(&mut self) -> Result<(), String> {
        let bytes = self.sized(1)?;
        let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
        let mut whole = [if negative { 0xff } else { 0 }; 8];
        let value = match whole.get_mut(..bytes.len()) {
            Some(low) => {
                low.copy_from_slice(bytes);
                Value::Int(i64::from_le_bytes(whole))
            }
            // The stream's magic number has ten bytes.
            None => Value::Opaque,
        };
        self.push(value)
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let end = rest
            .iter()
            .take(256)
            .position(|&byte| byte == b'\n')
            .ok_or("its pickle has a name without end")?;
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        self.at += end + 1;
        Ok(line)
    }

    fn spend(&mut self, values: usize) -> Result<(), String> {
        let left = self.room.checked_sub(values);
        self.room = left.ok_or_else(|| format!("its pickle has more than {MAX_VALUES} values"))?;
        Ok(())
    }

    fn push(&mut self, value: Value) -> Result<(), String> {
        self.spend(1)?;
        self.stack.push(value);
        Ok(())
    }

    fn push_list(&mut self, values: Vec<Value>) -> Result<(), String> {
        self.lists.push(values);
        self.push(Value::List(self.lists.len() - 1))
    }

    fn push_dict(&mut self) -> Result<(), String> {
        self.dicts.push(Vec::new());
        self.push(Value::Dict(self.dicts.len() - 1))
    }

    fn pop(&mut self) -> Result<Value, String> {
        // Below a mark lies what belongs to someone else.
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("its pickle takes more values than it has".into());
        }
        self.stack
            .pop()
            .ok_or_else(|| "its pickle takes more values than it has".into())
    }

    fn popped(&mut self, count: usize) -> Result<Vec<Value>, String> {
        let mut values = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        values.reverse();
        Ok(values)
    }

    fn popped_to_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().ok_or("its pickle ends what it has not begun")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn top(&mut self) -> Result<&Value, String> {
        self.stack
            .last()
            .ok_or_else(|| "its pickle takes more values than it has".into())
    }

    /// Adds to the list on the stack. A set or another container that we pass over takes anything.
    fn extend(&mut self, values: Vec<Value>) -> Result<(), String> {
        match *self.top()? {
            Value::List(id) => self.lists[id].extend(values),
            Value::Opaque => {}
            _ => return Err("its pickle appends to what is no list".into()),
        }
        Ok(())
    }

    fn set_items(&mut self, values: Vec<Value>) -> Result<(), String> {
        match *self.top()? {
            Value::Dict(id) => {
                let mut values = values.into_iter();
                while let Some(key) = values.next() {
                    let value = values.next().ok_or("its pickle has a key without a value")?;
                    self.dicts[id].push((key, value));
                }
            }
            Value::Opaque => {}
            _ => return Err("its pickle sets an item of what is no dictionary".into()),
        }
        Ok(())
    }

    fn remember(&mut self, index: u32) -> Result<(), String> {
        let top = self.top()?.clone();
        self.spend(1)?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<(), String> {
        let value = self.memo.get(&index).cloned();
        self.push(value.ok_or("its pickle refers to what it has not made")?)
    }

    fn import(&mut self, module: &str, name: &str) -> Result<(), Refusal> {
        let row = GLOBALS.iter().find(|row| (row.0, row.1) == (module, name));
        let Some(&(.., global)) = row else {
            let key = match self.stack.last() {
                Some(Value::Text(key)) => Some(&**key),
                _ => None,
            };
            // The older stream puts the class of a module behind this word.
            let whole = match self.stack.as_slice() {
                [] => true,
                [Value::Text(word)] => &**word == "module",
                _ => false,
            };
            return Err(Refusal::Another(refused(module, name, key, whole)));
        };
        Ok(self.push(Value::Global(global))?)
    }

    fn call(&mut self, callee: &Value, arguments: &Value) -> Result<(), String> {
        let arguments = match arguments {
            Value::List(id) => self.lists[*id].as_slice(),
            _ => return Err("its pickle calls something without arguments".into()),
        };
        let made = match callee {
            Value::Global(Global::Dict) => return self.push_dict(),
            Value::Global(Global::Tensor) => {
                let view = self
                    .view(arguments)
                    .ok_or("its pickle has a tensor with impossible arguments")?;
                Value::Tensor(Rc::new(view))
            }
            Value::Global(Global::Parameter) => match arguments.first() {
                Some(tensor @ Value::Tensor(_)) => tensor.clone(),
                _ => return Err("its pickle has a parameter without a tensor".into()),
            },
            Value::Global(Global::Opaque) => Value::Opaque,
            _ => return Err("its pickle calls what cannot be called".into()),
        };
        self.push(made)
    }

    /// `_rebuild_tensor_v2(storage, offset, shape, strides, ...)`.
    fn view(&self, arguments: &[Value]) -> Option<View> {
        let [Value::Storage(dtype, storage), Value::Int(offset), shape, strides, ..] = arguments else {
            return None;
        };
        let view = View {
            dtype: *dtype,
            storage: storage.clone(),
            offset: usize::try_from(*offset).ok()?,
            shape: self.lengths(shape)?,
            strides: self.lengths(strides)?,
        };
        (view.shape.len() == view.strides.len()).then_some(view)
    }

    fn lengths(&self, value: &Value) -> Option<Vec<usize>> {
        const MAX_DIMS: usize = 8;
        let Value::List(id) = value else { return None };
        let length = |value: &Value| match value {
            Value::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        };
        let values = &self.lists[*id];
        (values.len() <= MAX_DIMS).then(|| values.iter().map(length).collect())?
    }

    /// A persistent id: `("storage", type, key, location, elements, ...)`.
    fn storage(&self, id: &Value) -> Option<Value> {
        let Value::List(id) = id else { return None };
        match self.lists[*id].as_slice() {
            [
                Value::Text(kind),
                Value::Global(Global::Storage(dtype)),
                Value::Text(key),
                ..,
            ] if &**kind == "storage" => Some(Value::Storage(*dtype, key.clone())),
            _ => None,
        }
    }
}
