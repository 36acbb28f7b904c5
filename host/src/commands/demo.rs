use clap::Args;
/// d
#[derive(Args)]
pub struct Demo {}
impl Demo { pub fn run(self) -> anyhow::Result<()> { Ok(()) } }
#[derive(Args)]
pub struct BoardProgram {}
impl BoardProgram { pub fn run(self) -> anyhow::Result<()> { Ok(()) } }
