//! The host's tool, built beside the tests so that they can find it.

use lastlayer_host::heap::Counting;

#[global_allocator]
static HEAP: Counting = Counting;

fn main() -> std::process::ExitCode {
    lastlayer_host::main()
}
