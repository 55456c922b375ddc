//! How each file is made good, for what is said of its suspects and incidents: never two ways at
//! once.

use crate::consolidate::recovery::{Model, PAGE_RESTORE_MAX, Remedy, Route, Why, databases};
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
                let (route, is_copy) = (loss.route(), database.is_copy);
                let way = Way { route, model: database.model, is_copy };
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
    fn overrules(self, remedy: Remedy) -> Option<&'static str> {
        match (remedy, self.route) {
            (Remedy::File | Remedy::Page | Remedy::Rebuild, _) if self.is_copy => Some(COPY),
            (Remedy::Page, Route::File(why)) if self.model != Model::Simple => Some(with_file(why)),
            _ => None,
        }
    }
}

/// What is said of a page whose file is restored.
fn with_file(why: Why) -> &'static str {
    const { assert!(PAGE_RESTORE_MAX == 1000, "the text below names it") };
    match why {
        Why::ControlPage => {
            "with its file: that has a damaged page that cannot be restored alone, so the file is \
             restored, with the log tail last"
        }
        Why::TooMany => {
            "with its file: more of its pages are suspect than the 1,000 that one page restore \
             takes, so the file is restored, with the log tail last"
        }
        Why::TooLarge => {
            "with its file: more than 5 % of its pages are suspect, so the file is restored, with \
             the log tail last"
        }
        Why::Lost => "with its file, of which nothing is left",
        Why::NotListed => {
            "with its file: not all of its suspects are listed, so the file is restored, with the \
             log tail last"
        }
    }
}
