//! How each file is made good, for what is said of its suspects and incidents: never two ways at
//! once.

use super::{UNDER_SIMPLE, restore, system};
use crate::consolidate::recovery::{
    DatabaseLoss, FileLoss, Model, PAGE_RESTORE_MAX, Remedy, Route, System, Why, databases,
};
use crate::consolidate::report::{ScrubReport, Suspect};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

const COPY: &str = "several scanned files are this file of its database: find out which one the \
    server uses (sys.master_files) before anything is restored; damage in a copy is no damage of \
    the database";

/// The way of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) route: Route,
    pub(super) model: Model,
    pub(super) is_copy: bool,
    pub(super) system: Option<System>,
    /// The log of its database is damaged.
    pub(super) has_log: bool,
    /// Its filegroup can be restored while the rest of the database is in use.
    pub(super) is_online: bool,
}

/// A machine, in a merged report, and a path on it.
type FileKey = (Option<Arc<str>>, Arc<str>);

/// The ways of all files with suspects, ...
pub(super) struct Routes {
    ways: BTreeMap<FileKey, Way>,
    /// ... and the suspects, by index, for which they overrule what is said of single pages.
    overruled: Vec<(usize, &'static str)>,
}

impl Routes {
    pub(super) fn of(report: &ScrubReport) -> Self {
        let (mut ways, mut overruled) = (BTreeMap::new(), Vec::new());
        for database in databases(report) {
            for loss in &database.files {
                let way = Way::of(loss, &database);
                let listed = loss.suspects.iter().filter_map(|suspect| {
                    Some((suspect.rank.checked_sub(1)?, way.overrules(Remedy::of(suspect))?))
                });
                overruled.extend(listed);
                ways.insert((loss.host.map(Into::into), loss.path.into()), way);
            }
        }
        Self { ways, overruled }
    }

    /// Tells the suspects what their files' ways mean for them.
    pub(super) fn overrule(&self, suspects: &mut [Suspect]) {
        for (index, action) in &self.overruled {
            if let Some(suspect) = suspects.get_mut(*index) {
                suspect.action = Cow::Borrowed(action);
            }
        }
    }

    /// The way of the file at `path`, if that has suspects.
    pub(super) fn way(&self, host: Option<&Arc<str>>, path: &Arc<str>) -> Option<Way> {
        self.ways.get(&(host.cloned(), Arc::clone(path))).copied()
    }
}

impl Way {
    fn of(loss: &FileLoss<'_>, database: &DatabaseLoss<'_>) -> Self {
        Self {
            route: loss.route(),
            model: database.model,
            is_copy: database.is_copy,
            system: database.system,
            has_log: database.has_log(),
            is_online: restore::is_online(database),
        }
    }

    fn overrules(self, remedy: Remedy) -> Option<&'static str> {
        let is_made_good = matches!(remedy, Remedy::File | Remedy::Page | Remedy::Rebuild);
        match (remedy, self.route) {
            (_, Route::File(Why::Shifted)) => Some(SHIFTED),
            _ if !is_made_good => None,
            _ if self.system.is_some() => self.system.map(system::action),
            _ if self.is_copy => Some(COPY),
            (_, Route::Database) => None,
            _ if self.has_log => Some(WITH_DATABASE),
            (Remedy::Page, _) if self.model == Model::Simple => Some(UNDER_SIMPLE),
            (_, _) if self.model == Model::Simple => None,
            (Remedy::Page | Remedy::Rebuild, Route::File(why)) => {
                Some(with_file(why, self.is_online))
            }
            _ => None,
        }
    }
}

const SHIFTED: &str = "with its file, whose content has moved: copy that again from its source, \
    and scan it; do not restore its pages. Only if there is no source, restore the file";

const WITH_DATABASE: &str = "with its database, whose log is damaged: restore that, beside the \
    damaged one if the tail of the log cannot be saved";

/// What is said of a page whose file is restored.
fn with_file(why: Why, is_online: bool) -> &'static str {
    const { assert!(PAGE_RESTORE_MAX == 1000, "the text below names it") };
    macro_rules! file {
        ($why:expr) => {
            if is_online {
                concat!(
                    "with its file: ",
                    $why,
                    ", so the file is restored, with the log tail last, or in Enterprise edition \
                     its filegroup online"
                )
            } else {
                concat!(
                    "with its file: ",
                    $why,
                    ", so the file is restored, with the log tail last"
                )
            }
        };
    }
    match why {
        Why::ControlPage => file!("that has a damaged page that cannot be restored alone"),
        Why::ExtentMap => {
            file!("that has a damaged DIFF or ML map (page restore only tried on a copy first)")
        }
        Why::TooMany => file!(
            "more of its pages are suspect, those of indexes counted, than the 1,000 that one page \
             restore takes"
        ),
        Why::TooLarge => file!("more than 5 % of its pages are suspect"),
        Why::Lost => file!("nothing of that is left"),
        Why::Shifted => SHIFTED,
        Why::NotListed => file!("not all of its suspects are listed"),
    }
}
