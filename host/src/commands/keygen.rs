//! `lastlayer keygen`: a key to sign packages with.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;
use lastlayer_shared::file::{self, Readers};

use super::password;
use crate::{signing::NewKey, ui};

/// Make a key to sign packages with
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    lastlayer keygen --output site\n  \
    lastlayer keygen --output site --no-password\n\n\
    site.key stays with you; whoever has it (and its password) can make packages for your boards.\n\
    site.pub goes to every board. Both are minisign's files: `minisign -V -p site.pub` reads them.\n\
    The password is asked for, or taken from the variable LASTLAYER_KEY_PASSWORD.")]
pub struct Keygen {
    /// Writes NAME.key, which is secret, and NAME.pub; what is there already is never replaced
    #[arg(long, short, value_name = "NAME")]
    output: PathBuf,
    /// Keep the secret key without a password: whoever reads the file can sign
    #[arg(long)]
    no_password: bool,
}

impl Keygen {
    pub fn run(self) -> anyhow::Result<()> {
        let with = |ending: &str| {
            let mut path = OsString::from(&self.output);
            path.push(ending);
            PathBuf::from(path)
        };
        let (secret, public) = (with(".key"), with(".pub"));
        for path in [&secret, &public] {
            anyhow::ensure!(
                path.symlink_metadata().is_err(),
                "{} is there already, and a key is never replaced; give another --output",
                path.display()
            );
        }
        let key = NewKey::make(match self.no_password {
            true => None,
            false => Some(password::new()?),
        })?;
        file::create(&secret, key.secret.as_bytes(), Readers::Owner)?;
        file::create(&public, key.public.as_bytes(), Readers::Ordinary)?;
        if self.no_password {
            ui::warn(&format!(
                "{} has no password: whoever reads it can sign",
                secret.display()
            ));
        }
        crate::say!("key {}", key.id);
        crate::say!(
            "{}: secret, to sign with; keep it off boards",
            secret.display()
        );
        crate::say!("{}: public, for every board", public.display());
        Ok(())
    }
}
