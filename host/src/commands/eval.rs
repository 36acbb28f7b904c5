use clap::Args;
/// d
#[derive(Args)]
pub struct Eval {}
impl Eval { pub fn run(self) -> anyhow::Result<()> { Ok(()) } }
