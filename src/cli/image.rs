//! A file or a backup set of which pages are wanted: options, and how failures end a command.

use super::exit::Failure;
use pagescrub::inspect::{Asked, Image, NotOpened};
use pagescrub::page::address::PageAddress;
use std::path::{Path, PathBuf};

/// What goes with the file.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Another file of the same database, or another member of the same striped backup; may be
    /// given more than once. Names of objects are in the primary file
    #[arg(long, value_name = "FILE")]
    with: Vec<PathBuf>,

    /// Of a backup with several sets: the position of the one, as in RESTORE ... WITH FILE = N
    #[arg(long, value_name = "N")]
    set: Option<u32>,
}

impl Options {
    /// What is asked for of the file at `path`.
    pub(crate) fn asked<'a>(&'a self, path: &'a Path) -> Asked<'a> {
        Asked { path, with: &self.with, set: self.set }
    }
}

/// Opens what is `asked` for to look at the page that `place` tells. Where that is not what its
/// place asks for, a backup is opened again with a look at each extent: it may stand elsewhere.
pub(crate) fn open_for(
    asked: Asked<'_>,
    place: impl Fn(&Image) -> Result<PageAddress, NotOpened>,
) -> Result<(Image, PageAddress), Failure> {
    let image = Image::open(asked).map_err(failure)?;
    let place = place(&image).map_err(failure)?;
    let is_misplaced = image.look(place).is_ok_and(|looked| image.may_be_misplaced(&looked));
    let image =
        if is_misplaced { Image::open_with_each_extent(asked).map_err(failure)? } else { image };
    Ok((image, place))
}

/// How `error` ends the command.
pub(crate) fn failure(error: NotOpened) -> Failure {
    match error {
        NotOpened::Choose(why) => Failure::usage(why),
        NotOpened::Failed(why) => Failure::work(why),
    }
}
