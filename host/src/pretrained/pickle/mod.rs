//! The part of Python's pickle format that torch writes weights with.
//!
//! A pickle is a program for a small stack machine, and Python's own reader lets it call anything.
//! This one knows only the operations and the names below; everything else is refused, nothing is
//! ever called. Values live in one arena and refer to each other by number, as the format's memo
//! does, so that no input makes it work or grow more than its own length.

use std::{collections::HashMap, io::BufRead, rc::Rc};

use super::state_dict::{Number, WeightsError};

/// Index into `Values`.
pub type Id = usize;

#[derive(Clone, Debug)]
pub enum Value {
    Nothing,
    Bool,
    Int(i64),
    Float,
    Text(Rc<str>),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Name(Name),
    Storage(Storage),
    Tensor(TensorView),
}

/// The only names that may be looked up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Name {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Number),
}

#[derive(Clone, Debug)]
pub struct Storage {
    pub key: Rc<str>,
    pub number: Number,
    /// Numbers in it.
    pub count: usize,
}

/// A window on a storage.
#[derive(Clone, Debug)]
pub struct TensorView {
    pub storage: Storage,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

#[derive(Debug, Default)]
pub struct Values(Vec<Value>);

impl Values {
    pub fn get(&self, id: Id) -> &Value {
        &self.0[id]
    }

    fn add(&mut self, value: Value) -> Id {
        self.0.push(value);
        self.0.len() - 1
    }
}

/// Runs one pickle and leaves `input` behind its end. Returns the value it makes.
pub fn read(input: &mut &[u8]) -> Result<(Values, Id), WeightsError> {
    let mut machine = Machine {
        input,
        values: Values::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    let top = machine.run()?;
    Ok((machine.values, top))
}

struct Machine<'a, 'b> {
    input: &'a mut &'b [u8],
    values: Values,
    stack: Vec<Id>,
    /// Heights of the stack at each open mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

fn damaged(what: &str) -> WeightsError {
    WeightsError::Damaged(what.into())
}

impl Machine<'_, '_> {
    fn run(&mut self) -> Result<Id, WeightsError> {
        loop {
            match self.byte()? {
                b'.' => return self.pop(),
                0x80 => _ = self.byte()?,   // PROTO
                0x95 => _ = self.bytes(8)?, // FRAME
                b'(' => self.marks.push(self.stack.len()),
                b'N' => self.push(Value::Nothing),
                0x88 | 0x89 => self.push(Value::Bool),
                b'K' => {
                    let value = self.byte()?;
                    self.push(Value::Int(value.into()));
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.array()?);
                    self.push(Value::Int(value.into()));
                }
                b'J' => {
                    let value = i32::from_le_bytes(self.array()?);
                    self.push(Value::Int(value.into()));
                }
                0x8a => self.long()?,
                b'G' => {
                    self.bytes(8)?;
                    self.push(Value::Float);
                }
                b'X' | b'T' | b'B' => {
                    let length = u32::from_le_bytes(self.array()?);
                    self.text(length as usize)?;
                }
                0x8c | b'U' | b'C' => {
                    let length = self.byte()?;
                    self.text(length.into())?;
                }
                b'}' => self.push(Value::Dict(Vec::new())),
                b']' => self.push(Value::List(Vec::new())),
                b')' => self.push(Value::Tuple(Vec::new())),
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.push(Value::Tuple(items));
                }
                code @ 0x85..=0x87 => {
                    let mut items = Vec::new();
                    for _ in 0x85..=code {
                        items.insert(0, self.pop()?);
                    }
                    self.push(Value::Tuple(items));
                }
                b'q' => {
                    let key = self.byte()?;
                    self.remember(key.into())?;
                }
                b'r' => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.remember(key)?;
                }
                0x94 => self.remember(self.memo.len() as u32)?, // MEMOIZE
                b'h' => {
                    let key = self.byte()?;
                    self.recall(key.into())?;
                }
                b'j' => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.recall(key)?;
                }
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.extend_dict(vec![key, value])?;
                }
                b'u' => {
                    let items = self.pop_to_mark()?;
                    self.extend_dict(items)?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.extend_list(vec![item])?;
                }
                b'e' => {
                    let items = self.pop_to_mark()?;
                    self.extend_list(items)?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.name(&module, &name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop_text()?, self.pop_text()?);
                    self.name(&module, &name)?;
                }
                b'Q' => self.storage()?,
                b'R' => self.reduce()?,
                // State set on an OrderedDict: torch's version notes, of no use here.
                b'b' => {
                    self.pop()?;
                    let target = *self.stack.last().ok_or_else(|| damaged("empty stack"))?;
                    if !matches!(self.values.get(target), Value::Dict(_)) {
                        return Err(WeightsError::Forbidden("an object with a state".into()));
                    }
                }
                code => {
                    return Err(WeightsError::Forbidden(format!(
                        "the pickle operation 0x{code:02x}"
                    )));
                }
            }
        }
    }

    fn bytes(&mut self, count: usize) -> Result<&[u8], WeightsError> {
        let (taken, rest) = self
            .input
            .split_at_checked(count)
            .ok_or_else(|| damaged("it ends in the middle of a value"))?;
        *self.input = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WeightsError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, WeightsError> {
        Ok(self.array::<1>()?[0])
    }

    fn line(&mut self) -> Result<String, WeightsError> {
        let mut line = Vec::new();
        self.input
            .read_until(b'\n', &mut line)
            .map_err(|_| damaged("a name without an end"))?;
        match line.pop() {
            Some(b'\n') => String::from_utf8(line).map_err(|_| damaged("a name is not text")),
            _ => Err(damaged("a name without an end")),
        }
    }

    fn push(&mut self, value: Value) {
        let id = self.values.add(value);
        self.stack.push(id);
    }

    fn pop(&mut self) -> Result<Id, WeightsError> {
        if self
            .marks
            .last()
            .is_some_and(|&mark| self.stack.len() <= mark)
        {
            return Err(damaged("a value is taken from below a mark"));
        }
        self.stack.pop().ok_or_else(|| damaged("empty stack"))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, WeightsError> {
        let mark = self.marks.pop().ok_or_else(|| damaged("no mark"))?;
        if mark > self.stack.len() {
            return Err(damaged("a mark above the stack"));
        }
        Ok(self.stack.split_off(mark))
    }

    fn pop_text(&mut self) -> Result<Rc<str>, WeightsError> {
        let id = self.pop()?;
        match self.values.get(id) {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(damaged("a name is not text")),
        }
    }

    fn text(&mut self, length: usize) -> Result<(), WeightsError> {
        let text = String::from_utf8_lossy(self.bytes(length)?).into();
        self.push(Value::Text(text));
        Ok(())
    }

    fn long(&mut self) -> Result<(), WeightsError> {
        let length = self.byte()?;
        let bytes = self.bytes(length.into())?;
        // Longer ones are magic numbers; their value is compared as text by nobody here.
        let value = bytes
            .iter()
            .take(8)
            .rev()
            .fold(0i64, |value, &byte| value << 8 | i64::from(byte));
        self.push(Value::Int(value));
        Ok(())
    }

    fn remember(&mut self, key: u32) -> Result<(), WeightsError> {
        let top = *self.stack.last().ok_or_else(|| damaged("empty stack"))?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), WeightsError> {
        let id = *self
            .memo
            .get(&key)
            .ok_or_else(|| damaged("an unknown reference"))?;
        self.stack.push(id);
        Ok(())
    }

    fn target(&mut self) -> Result<&mut Value, WeightsError> {
        let id = *self.stack.last().ok_or_else(|| damaged("empty stack"))?;
        Ok(&mut self.values.0[id])
    }

    fn extend_dict(&mut self, items: Vec<Id>) -> Result<(), WeightsError> {
        match self.target()? {
            Value::Dict(entries) if items.len().is_multiple_of(2) => {
                entries.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
                Ok(())
            }
            _ => Err(damaged("items for what is not a dictionary")),
        }
    }

    fn extend_list(&mut self, items: Vec<Id>) -> Result<(), WeightsError> {
        match self.target()? {
            Value::List(list) => {
                list.extend(items);
                Ok(())
            }
            _ => Err(damaged("items for what is not a list")),
        }
    }

    fn name(&mut self, module: &str, name: &str) -> Result<(), WeightsError> {
        let known = match (module, name) {
            ("collections", "OrderedDict") => Name::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Name::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Name::RebuildParameter,
            ("torch", "FloatStorage") => Name::Storage(Number::F32),
            ("torch", "HalfStorage") => Name::Storage(Number::F16),
            ("torch", "BFloat16Storage") => Name::Storage(Number::Bf16),
            ("torch", "DoubleStorage") => Name::Storage(Number::F64),
            ("torch", "LongStorage") => Name::Storage(Number::Whole(8)),
            ("torch", "IntStorage") => Name::Storage(Number::Whole(4)),
            ("torch", "ShortStorage") => Name::Storage(Number::Whole(2)),
            ("torch", "ByteStorage" | "CharStorage" | "BoolStorage") => {
                Name::Storage(Number::Whole(1))
            }
            _ => {
                let shown: String = format!("{module}.{name}").chars().take(80).collect();
                return Err(WeightsError::Forbidden(format!(
                    "the Python name {shown:?}"
                )));
            }
        };
        self.push(Value::Name(known));
        Ok(())
    }

    /// `('storage', class, key, place, count, ...)`.
    fn storage(&mut self) -> Result<(), WeightsError> {
        let id = self.pop()?;
        let wrong = || damaged("a storage is not described as torch does");
        let Value::Tuple(items) = self.values.get(id) else {
            return Err(wrong());
        };
        let &[_, class, key, _, count, ..] = items.as_slice() else {
            return Err(wrong());
        };
        let storage = match (
            self.values.get(class),
            self.values.get(key),
            self.values.get(count),
        ) {
            (Value::Name(Name::Storage(number)), Value::Text(key), Value::Int(count)) => Storage {
                key: key.clone(),
                number: *number,
                count: usize::try_from(*count).map_err(|_| wrong())?,
            },
            _ => return Err(wrong()),
        };
        self.push(Value::Storage(storage));
        Ok(())
    }

    /// Calls of the few known names, worked out here.
    fn reduce(&mut self) -> Result<(), WeightsError> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let Value::Tuple(arguments) = self.values.get(arguments) else {
            return Err(damaged("a call without arguments"));
        };
        let made = match (self.values.get(callee), arguments.as_slice()) {
            (Value::Name(Name::OrderedDict), []) => Value::Dict(Vec::new()),
            (Value::Name(Name::RebuildTensor), &[storage, offset, shape, strides, ..]) => {
                Value::Tensor(self.view(storage, offset, shape, strides)?)
            }
            (Value::Name(Name::RebuildParameter), &[tensor, ..])
                if matches!(self.values.get(tensor), Value::Tensor(_)) =>
            {
                self.stack.push(tensor);
                return Ok(());
            }
            _ => {
                return Err(WeightsError::Forbidden(
                    "a call of something unknown".into(),
                ));
            }
        };
        self.push(made);
        Ok(())
    }

    fn view(
        &self,
        storage: Id,
        offset: Id,
        shape: Id,
        strides: Id,
    ) -> Result<TensorView, WeightsError> {
        let wrong = || damaged("a tensor is not described as torch does");
        let whole = |id: Id| match self.values.get(id) {
            Value::Int(value) => usize::try_from(*value).map_err(|_| wrong()),
            _ => Err(wrong()),
        };
        let wholes = |id: Id| match self.values.get(id) {
            Value::Tuple(items) if items.len() <= 8 => items.iter().map(|&i| whole(i)).collect(),
            _ => Err(wrong()),
        };
        match self.values.get(storage) {
            Value::Storage(storage) => Ok(TensorView {
                storage: storage.clone(),
                offset: whole(offset)?,
                shape: wholes(shape)?,
                strides: wholes(strides)?,
            }),
            _ => Err(wrong()),
        }
    }
}
