//! The stack machine: operations, stack, marks and memo.

use std::{collections::HashMap, io::BufRead, rc::Rc};

use super::{Id, MOST_NAME, MOST_STEPS, Value, Values, damaged};
use crate::pretrained::state_dict::WeightsError;

pub fn run(input: &mut &[u8]) -> Result<(Values, Id), WeightsError> {
    let mut machine = Machine {
        input,
        values: Values::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    for _ in 0..MOST_STEPS {
        if let Some(top) = machine.step()? {
            return Ok((machine.values, top));
        }
    }
    Err(WeightsError::TooLarge(format!(
        "its pickle has more than {MOST_STEPS} steps"
    )))
}

pub struct Machine<'a, 'b> {
    input: &'a mut &'b [u8],
    pub values: Values,
    pub stack: Vec<Id>,
    /// Heights of the stack at each open mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl Machine<'_, '_> {
    /// One operation; the last one gives the program's value.
    fn step(&mut self) -> Result<Option<Id>, WeightsError> {
        match self.byte()? {
            b'.' => return self.pop().map(Some),
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
            b')' => self.push(Value::Tuple(Box::default())),
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items.into()));
            }
            code @ 0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0x85..=code {
                    items.insert(0, self.pop()?);
                }
                self.push(Value::Tuple(items.into()));
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
        Ok(None)
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

    pub fn push(&mut self, value: Value) {
        let id = self.values.add(value);
        self.stack.push(id);
    }

    pub fn pop(&mut self) -> Result<Id, WeightsError> {
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

    /// Text as Python 3 writes it, or bytes, which is how Python 2 wrote text.
    fn text(&mut self, length: usize) -> Result<(), WeightsError> {
        let value = match str::from_utf8(self.bytes(length)?) {
            Ok(text) if length <= MOST_NAME => Value::Text(text.into()),
            _ => Value::Bytes,
        };
        self.push(value);
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
        Ok(self.values.get_mut(id))
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
}
