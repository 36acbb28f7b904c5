//! What a program may look up and call: torch's storages and tensors. Nothing is called; the few
//! results are worked out here.

use std::rc::Rc;

use super::{Id, MOST_SIDES, Name, Storage, TensorView, Value, damaged, machine::Machine};
use crate::pretrained::state_dict::{Number, WeightsError};

impl Machine<'_, '_> {
    /// A global of Python's, by its module and name.
    pub fn name(&mut self, module: &str, name: &str) -> Result<(), WeightsError> {
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
    pub fn storage(&mut self) -> Result<(), WeightsError> {
        let id = self.pop()?;
        let wrong = || damaged("a storage is not described as torch does");
        let Value::Tuple(items) = self.values.get(id) else {
            return Err(wrong());
        };
        let &[_, class, key, _, count, ..] = &**items else {
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
        self.push(Value::Storage(Rc::new(storage)));
        Ok(())
    }

    /// Calls of the few known names, worked out here.
    pub fn reduce(&mut self) -> Result<(), WeightsError> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let Value::Tuple(arguments) = self.values.get(arguments) else {
            return Err(damaged("a call without arguments"));
        };
        let made = match (self.values.get(callee), &**arguments) {
            (Value::Name(Name::OrderedDict), []) => Value::Dict(Vec::new()),
            (Value::Name(Name::RebuildTensor), &[storage, offset, shape, strides, ..]) => {
                Value::Tensor(Rc::new(self.view(storage, offset, shape, strides)?))
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
            Value::Tuple(items) if items.len() <= MOST_SIDES => {
                items.iter().map(|&i| whole(i)).collect()
            }
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
