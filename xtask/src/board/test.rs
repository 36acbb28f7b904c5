//! A virtual board tried from the outside.

use std::time::Instant;

use anyhow::Result;

use super::site::{Site, folder};
use crate::{image::Disk, machine::Machine};

pub fn test(site: &Site) -> Result<()> {
    let image = site.image()?;
    let disk = Disk::new(&folder().join("test-disk.img"))?;
    let begin = Instant::now();
    let mut machine = Machine::boot(&image, &disk)?;
    println!("boot {:?}", machine.boot_time);
    for command in std::env::var("TRY").unwrap_or_default().split(';') {
        match machine.shell(command) {
            Ok(done) => println!("$ {command} [{}]\n{}", done.code, done.output),
            Err(error) => println!("{error:#}"),
        }
    }
    for (_, line) in machine.console.all() {
        println!("console: {line}");
    }
    machine.shut_down()?;
    println!("{:?}", begin.elapsed());
    Ok(())
}
