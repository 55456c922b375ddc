//! Backups of the scan that take the place of what is to be filled in.

use crate::backup::BackupKind;
use crate::consolidate::database::sets::{Medium, sets};
use crate::consolidate::recovery::DatabaseLoss;
use crate::consolidate::report::FileReport;
use crate::consolidate::report::database::{Restore, RestoreSet};
use std::collections::{BTreeMap, BTreeSet};

/// All backup sets of a report, by machine, first path and position.
pub(super) struct Media<'a>(BTreeMap<(Option<&'a str>, &'a str, u32), Medium<'a>>);

impl<'a> Media<'a> {
    pub(super) fn of(files: &'a [FileReport]) -> Self {
        let hosts: BTreeSet<Option<&str>> = files.iter().map(|file| file.host.as_deref()).collect();
        let of_host = |host: Option<&'a str>| {
            let media = sets(files, host).into_iter();
            media.filter_map(move |m| Some(((host, *m.paths.first()?, m.set.position), m)))
        };
        Self(hosts.into_iter().flat_map(of_host).collect())
    }

    fn get(&self, host: Option<&'a str>, set: &'a RestoreSet) -> Option<Medium<'a>> {
        self.0.get(&(host, set.paths.first()?, set.position)).cloned()
    }
}

/// The backup sets of the scan that restore a database, as its report says. Empty for those that
/// SQL Server brings along: these are alike on all servers.
#[derive(Default)]
pub(super) struct Chain<'a> {
    pub(super) restore: Option<&'a Restore>,
    /// In the order in which they are restored.
    pub(super) sets: Vec<Medium<'a>>,
    /// The next log backup, which is damaged.
    pub(super) damaged_log: Option<Medium<'a>>,
    /// Sets of the same origin or name that cannot restore it.
    pub(super) left_out: Vec<Medium<'a>>,
}

impl<'a> Chain<'a> {
    pub(super) fn of(loss: &DatabaseLoss<'a>, media: &Media<'a>) -> Self {
        let Some(database) = loss.database.filter(|_| loss.system.is_none()) else {
            return Self::default();
        };
        let restore = &database.restore;
        let get = |set: &'a RestoreSet| media.get(loss.host, set);
        let end = loss.files.iter().find_map(|loss| loss.file?.checkpoint_lsn);
        let is_other = |medium: &&Medium<'_>| {
            let (line, last) = (&medium.set.line, Some(medium.last_lsn));
            let is_named = loss.name.is_some_and(|name| name == &*medium.set.database);
            let family = database.line.family_id;
            let is_akin = family.is_some() && family == line.family_id;
            let is_of_line = database.line.kinship(end, line, last).is_line();
            let is_of_binding = || medium.binding_id == database.binding_id.as_deref();
            (is_named || is_akin) && !is_of_line.unwrap_or_else(is_of_binding)
        };
        let of_host = media.0.iter().filter(|((host, ..), _)| *host == loss.host);
        let left_out = of_host.map(|(_, medium)| medium).filter(is_other).cloned();
        Self {
            restore: Some(restore),
            sets: restore.sets.iter().filter_map(get).collect(),
            damaged_log: restore.damaged_log.as_ref().and_then(get),
            left_out: left_out.collect(),
        }
    }

    pub(super) fn of_kind(&self, kind: BackupKind) -> impl Iterator<Item = &Medium<'a>> {
        self.sets.iter().filter(move |medium| medium.set.kind == kind)
    }

    pub(super) fn full(&self) -> Option<&Medium<'a>> {
        self.of_kind(BackupKind::Full).next()
    }

    pub(super) fn differential(&self) -> Option<&Medium<'a>> {
        self.of_kind(BackupKind::Differential).next()
    }
}
