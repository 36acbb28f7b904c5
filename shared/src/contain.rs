//! Running libraries on what came from outside. tract's operators may panic on shapes that they do
//! not expect, picture decoders on files that nobody expects; that is the file's fault, and becomes
//! one line like every other error.

use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::Once,
};

use tract_onnx::prelude::TractResult;

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Runs it; `None` where it panicked, without a message.
pub fn caught<T>(run: impl FnOnce() -> T) -> Option<T> {
    be_silent_while_contained();
    let before = CONTAINED.replace(true);
    // What a panic leaves half-done is dropped with the closure; no caller looks at it again.
    let result = catch_unwind(AssertUnwindSafe(run));
    CONTAINED.set(before);
    result.ok()
}

/// Runs it; what goes wrong, panics included, comes back as one line of text.
pub fn contain<T>(run: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    match caught(run) {
        Some(result) => result.map_err(|error| {
            // The outermost says where, the innermost what; those between repeat tract's stages.
            let mut causes = error.chain().map(ToString::to_string);
            let first = causes.next().unwrap_or_default();
            let text = match causes.last() {
                Some(last) => format!("{first}: {last}"),
                None => first,
            };
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        }),
        None => Err("an operator asks for something that cannot be done".into()),
    }
}

/// The usual panic message is not printed for panics that `contain` catches.
fn be_silent_while_contained() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CONTAINED.get() {
                usual(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_panics_are_text() {
        assert_eq!(contain(|| Ok(3)), Ok(3));
        let index = std::hint::black_box(7);
        assert!(contain(|| Ok([0u8; 3][index])).is_err());
        assert!(!CONTAINED.get());
        assert_eq!(caught(|| [0u8; 3][index]), None);
        // Within one another.
        assert_eq!(
            caught(|| caught(|| [0u8; 3][index]).is_none() && CONTAINED.get()),
            Some(true)
        );
        assert!(!CONTAINED.get());
    }
}
