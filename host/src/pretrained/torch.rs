//! Torch's two weight files.
//!
//! The old one (`.pt` until 1.5) is a row of pickles, magic number, protocol, system, the value,
//! a list of storage keys, and then for every key a little-endian count and the raw numbers. The
//! new one is a ZIP archive with the value in `NAME/data.pkl` and a storage in each
//! `NAME/data/KEY`.

use std::{
    collections::HashMap,
    io::{Cursor, Read},
    rc::Rc,
};

use zip::ZipArchive;

use super::{
    pickle::{self, Id, TensorView, Value, Values},
    state_dict::{Number, StateDict, Tensor, WeightsError, elements},
};

const ZIP: &[u8] = b"PK\x03\x04";
/// Protocol 2, then the magic number of torch's old format.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// Where training scripts put the weights among other things.
const WRAPPERS: [&str; 4] = ["state_dict", "model_state_dict", "model", "net"];

/// By its first bytes.
pub fn looks_like(bytes: &[u8]) -> bool {
    bytes.starts_with(ZIP) || bytes.starts_with(LEGACY)
}

/// Either format; its floating-point tensors by name.
pub fn read(bytes: &[u8]) -> Result<StateDict, WeightsError> {
    match bytes.strip_prefix(LEGACY) {
        Some(rest) => read_legacy(rest, bytes.len()),
        None => read_zip(bytes),
    }
}

/// `rest` is what follows the magic number, `length` that of the whole file.
fn read_legacy(mut rest: &[u8], length: usize) -> Result<StateDict, WeightsError> {
    pickle::read(&mut rest)?; // protocol
    pickle::read(&mut rest)?; // system
    let (values, top) = pickle::read(&mut rest)?;
    let (keys, list) = pickle::read(&mut rest)?;
    let Value::List(list) = keys.get(list) else {
        return Err(WeightsError::Damaged("there is no list of storages".into()));
    };
    let views = views(&values, top)?;
    let sizes: HashMap<&str, usize> = views
        .iter()
        .map(|(_, view)| (&*view.storage.key, view.storage.number.size()))
        .collect();
    let mut storages = HashMap::new();
    for &key in list {
        let Value::Text(key) = keys.get(key) else {
            return Err(WeightsError::Damaged("a storage has no name".into()));
        };
        let cut = || WeightsError::Damaged("it ends before its numbers do".into());
        let (count, after) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        // Storages that no tensor uses are of a size nobody can know; torch writes none.
        let size = *sizes.get(&**key).ok_or_else(|| {
            WeightsError::Damaged(format!("the storage {key} belongs to nothing"))
        })?;
        let size_in_bytes = usize::try_from(u64::from_le_bytes(*count))
            .ok()
            .and_then(|count| count.checked_mul(size))
            .ok_or_else(cut)?;
        let (numbers, after) = after.split_at_checked(size_in_bytes).ok_or_else(cut)?;
        storages.insert(key.to_string(), numbers);
        rest = after;
    }
    collect(views, length, |key| {
        let numbers = storages.get(key).copied();
        numbers
            .map(<[u8]>::to_vec)
            .ok_or_else(|| WeightsError::Damaged(format!("the storage {key} is missing")))
    })
}

fn read_zip(bytes: &[u8]) -> Result<StateDict, WeightsError> {
    let damaged = |error: &dyn std::fmt::Display| WeightsError::Damaged(error.to_string());
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| damaged(&e))?;
    let prefix = archive
        .file_names()
        .filter_map(|name| name.ok())
        .find_map(|name| name.strip_suffix("data.pkl").map(str::to_owned))
        .ok_or_else(|| WeightsError::Damaged("it is a ZIP archive without a data.pkl".into()))?;
    // Weights are stored as they are: together the entries are not longer than the file.
    let mut left = bytes.len();
    let mut entry = |name: &str| -> Result<Vec<u8>, WeightsError> {
        let file = archive
            .by_name(&format!("{prefix}{name}"))
            .map_err(|error| WeightsError::Damaged(format!("{name}: {error}")))?;
        let mut content = Vec::new();
        file.take(left as u64 + 1)
            .read_to_end(&mut content)
            .map_err(|error| WeightsError::Damaged(format!("{name}: {error}")))?;
        left = left
            .checked_sub(content.len())
            .ok_or_else(|| WeightsError::TooLarge(name.into()))?;
        Ok(content)
    };
    if entry("byteorder").is_ok_and(|order| order != b"little") {
        return Err(WeightsError::Damaged(
            "its numbers are not little-endian".into(),
        ));
    }
    let program = entry("data.pkl")?;
    let (values, top) = pickle::read(&mut program.as_slice())?;
    collect(views(&values, top)?, bytes.len(), |key| {
        entry(&format!("data/{key}"))
    })
}

/// Copies every view out of its storage. Each storage is decoded once, and all tensors together
/// may not hold more numbers than the file has bytes: a small file cannot ask for much memory by
/// naming one storage many times.
fn collect(
    views: Vec<(&str, &TensorView)>,
    budget: usize,
    mut load: impl FnMut(&str) -> Result<Vec<u8>, WeightsError>,
) -> Result<StateDict, WeightsError> {
    let mut storages: HashMap<Rc<str>, Vec<f32>> = HashMap::new();
    let mut weights = StateDict::new();
    let mut left = budget;
    for (name, view) in views {
        let number = view.storage.number;
        if matches!(number, Number::Whole(_)) {
            continue;
        }
        if !storages.contains_key(&view.storage.key) {
            let numbers = number.to_f32(&load(&view.storage.key)?);
            storages.insert(view.storage.key.clone(), numbers);
        }
        let tensor = tensor(name, view, &storages[&view.storage.key])?;
        left = left
            .checked_sub(tensor.data.len())
            .ok_or_else(|| WeightsError::TooLarge(shortened(name)))?;
        weights.insert(name.to_owned(), tensor);
    }
    Ok(weights)
}

/// The tensors by name, in the top dictionary or in the one that holds the weights. Names are not
/// copied: a program may use a long one as often as it likes.
fn views(values: &Values, top: Id) -> Result<Vec<(&str, &TensorView)>, WeightsError> {
    let named = |id: Id| {
        let entries = match values.get(id) {
            Value::Dict(entries) => entries.as_slice(),
            _ => &[],
        };
        entries
            .iter()
            .filter_map(|&(key, value)| match values.get(key) {
                Value::Text(name) => Some((&**name, value)),
                _ => None,
            })
    };
    let tensors = |id: Id| -> Vec<(&str, &TensorView)> {
        named(id)
            .filter_map(|(name, id)| match values.get(id) {
                Value::Tensor(view) => Some((name, &**view)),
                _ => None,
            })
            .collect()
    };
    let mut found = tensors(top);
    for wrapper in WRAPPERS {
        if found.is_empty() {
            let inner = named(top).find(|(name, _)| *name == wrapper);
            found = inner.map(|(_, id)| tensors(id)).unwrap_or_default();
        }
    }
    if found.is_empty() {
        return Err(WeightsError::NoTensors);
    }
    Ok(found)
}

/// A name as an error shows it: in a file it may be of any length.
fn shortened(name: &str) -> String {
    name.chars().take(80).collect()
}

fn tensor(name: &str, view: &TensorView, storage: &[f32]) -> Result<Tensor, WeightsError> {
    let wrong = |what: &str| WeightsError::Damaged(format!("{}: {what}", shortened(name)));
    let count = elements(&view.shape).ok_or_else(|| WeightsError::TooLarge(shortened(name)))?;
    if storage.len() != view.storage.count || count > storage.len() {
        return Err(wrong("it has another size than it says"));
    }
    if view.shape.len() != view.strides.len() {
        return Err(wrong("its shape and strides do not fit"));
    }
    let mut data = Vec::with_capacity(count);
    let mut index = vec![0usize; view.shape.len()];
    for _ in 0..count {
        let place = index
            .iter()
            .zip(&view.strides)
            .try_fold(view.offset, |at, (i, stride)| {
                at.checked_add(i.checked_mul(*stride)?)
            })
            .and_then(|at| storage.get(at))
            .ok_or_else(|| wrong("it reaches outside its storage"))?;
        data.push(*place);
        for (i, side) in index.iter_mut().zip(&view.shape).rev() {
            *i += 1;
            if *i < *side {
                break;
            }
            *i = 0;
        }
    }
    Ok(Tensor {
        shape: view.shape.to_vec(),
        data,
    })
}

#[cfg(test)]
mod tests;
