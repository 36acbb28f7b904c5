//! The program. Its heap is counted, so that `eval` can say what training takes.

use lastlayer_host::heap::Counting;

#[global_allocator]
static HEAP: Counting = Counting;

fn main() -> std::process::ExitCode {
    lastlayer_host::main()
}
