//! All that is to be said of one page: what `pagescrub page` prints and writes as JSON
//! (docs/report-schema.md).

use super::against::Against;
use super::fields::{self, Field};
use super::image::{Image, Looked, Missing};
use super::maps::Maps;
use super::owner::{Owner, Owners};
use super::place::Message;
use super::rows::{self, RowView};
use super::sector::SectorView;
use crate::catalog::owners::NamedBy;
use crate::consolidate::report::Tool;
use crate::diagnose::evidence::Evidence;
use crate::discover::{DataFile, paths};
use crate::page::address::PageAddress;
use crate::page::checksum::Checksum;
use crate::page::header::{PageHeader, Protection};
use crate::page::kind::PageType;
use crate::page::line::digits;
use crate::page::torn::TornCheck;
use serde::Serialize;

/// The schema of the JSON. Keys are only ever added.
pub const SCHEMA: &str = "pagescrub.page/1";

/// What is said of a page.
#[derive(Clone, Debug, Serialize)]
pub struct PageView {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// This program.
    pub tool: Tool,
    /// The file that it was read from.
    pub path: String,
    /// In a backup: the position of the set.
    pub backup_set: Option<u32>,
    /// The database, if known.
    pub database: Option<String>,
    /// Where it stands.
    pub address: PageAddress,
    /// Where it begins in the file at `path`; of a striped backup `None` where another member has
    /// it.
    pub offset_bytes: Option<u64>,
    /// That is in what a compressed backup unpacks to.
    pub offset_unpacked: bool,
    /// `intact`, `intact_torn`, `unprotected`, `free`, or the reason why it is suspect.
    pub state: &'static str,
    /// It is a suspect.
    pub is_suspect: bool,
    /// What it says that it is, as `suspects[].page_type`.
    pub page_type: &'static str,
    /// The header by Microsoft's names.
    #[serde(serialize_with = "object")]
    pub header: Vec<Field>,
    /// What protects it.
    pub protection: ProtectionView,
    /// What the allocation pages say.
    pub allocation: Maps,
    /// Whose it is.
    pub owner: OwnerView,
    /// What its bytes show, if it is a suspect, in short words.
    pub evidence: Option<String>,
    /// Its sectors of 512 bytes.
    pub sectors: Vec<SectorView>,
    /// The offsets in its slot array, by slots.
    pub slots: Vec<u16>,
    /// Its records, by slots.
    pub rows: Vec<RowView>,
    /// How it differs from a copy, if there is one to hold it against.
    pub against: Option<Against>,
    /// What a message says of it, if one was given.
    pub message: Option<MessageView>,
    /// Its 8192 bytes as they stand in the file.
    pub hex: String,
    #[serde(skip)]
    looked: Box<Looked>,
}

/// What protects a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProtectionView {
    /// `checksum`, `torn` or `none`, by `m_flagBits`.
    pub kind: &'static str,
    /// What stands in `m_tornBits`: the checksum, or the torn bits.
    pub stored: Checksum,
    /// The same as the four bytes at 0x3C.
    pub stored_bytes: String,
    /// The checksum of its bytes.
    pub computed: Checksum,
    /// The signatures as Msg 824 prints them, of a page with torn bits.
    pub torn: Option<TornCheck>,
}

/// Whose a page is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OwnerView {
    /// Schema, table and index.
    pub name: Option<String>,
    /// What of it the page holds, as `suspects[].object_kind`.
    pub kind: Option<&'static str>,
    /// As in sys.objects.
    pub object_id: Option<i32>,
    /// As in sys.indexes.
    pub index_id: Option<i32>,
    /// The partition, from 1.
    pub partition: Option<u32>,
    /// As in sys.partitions.
    pub partition_id: Option<u64>,
    /// As in `sys.allocation_units`.
    pub allocation_unit_id: Option<u64>,
    /// How it is known, as `suspects[].named_by`.
    pub named_by: Option<&'static str>,
    /// The IAM page that claims it.
    pub iam: Option<PageAddress>,
    /// Several units claim it.
    pub is_claimed_twice: bool,
}

/// A message, and whether it fits what is there now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MessageView {
    /// What it says.
    #[serde(flatten)]
    pub message: Message,
    /// Its offset is not that of its page.
    pub contradicts_itself: bool,
    /// It has the checksums, or signatures, that the page has now; `None` if it tells none.
    pub fits: Option<bool>,
}

/// What goes with a page.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// A copy, and how the page differs.
    pub against: Option<Against>,
    /// A message about it.
    pub message: Option<Message>,
}

impl PageView {
    /// What is to be said of the page of `image` that was `looked` at, and is of one of `owners`.
    ///
    /// # Errors
    /// If its file is not there.
    pub fn of(
        image: &Image,
        owners: &Owners<'_>,
        looked: Looked,
        beside: Beside,
    ) -> Result<Self, Missing> {
        let place = looked.place;
        let file = image.data_file(place.file).ok_or(Missing::File(place.file))?;
        let whole = looked.whole();
        let header = PageHeader::of(&looked.page);
        let evidence = looked.reason().map(|reason| Evidence::of(&looked.page, reason));
        let Beside { against, message } = beside;
        let part = file.part.as_ref();
        Ok(Self {
            schema: SCHEMA,
            tool: Tool::this(),
            path: paths::text(&file.path).into_owned(),
            backup_set: part.map(|part| part.set().position),
            database: database(file),
            address: place,
            offset_bytes: file.offset_bytes(place.page),
            offset_unpacked: file.records().is_some(),
            state: looked.state(),
            is_suspect: looked.reason().is_some(),
            page_type: PageType::of(header.page_type).name(),
            header: fields::fields(header),
            protection: ProtectionView::of(&looked),
            allocation: Maps::of(image, &looked),
            owner: OwnerView::of(&owners.of(&looked)),
            evidence: evidence.as_ref().map(ToString::to_string),
            sectors: SectorView::of(&looked, evidence.as_ref(), against.as_ref()),
            slots: rows::slots(&whole),
            rows: rows::rows(&whole),
            against,
            message: message.map(|message| MessageView::of(message, &looked)),
            hex: digits(looked.page.bytes()),
            looked: Box::new(looked),
        })
    }

    /// The page as it was looked at.
    pub fn looked(&self) -> &Looked {
        &self.looked
    }
}

fn object<S: serde::Serializer>(fields: &[Field], serializer: S) -> Result<S::Ok, S::Error> {
    fields::as_object(fields, serializer)
}

/// By its boot page, or by the backup set that it is in.
pub fn database(file: &DataFile) -> Option<String> {
    let by_set = file.part.as_ref().map(|part| part.set().database.clone());
    let by_boot = || file.boot.as_ref().map(|boot| boot.database.clone());
    by_set.filter(|name| !name.is_empty()).or_else(by_boot)
}

impl ProtectionView {
    fn of(looked: &Looked) -> Self {
        let page = &looked.page;
        let header = PageHeader::of(page);
        let (kind, torn) = match header.protection() {
            Protection::Checksum => ("checksum", None),
            Protection::Torn => ("torn", Some(TornCheck::of(page))),
            Protection::None => ("none", None),
        };
        Self {
            kind,
            stored: Checksum::stored_in(page),
            stored_bytes: digits(&header.torn_bits.to_le_bytes()),
            computed: Checksum::of(page),
            torn,
        }
    }
}

impl OwnerView {
    fn of(owner: &Owner) -> Self {
        let (object, row) = (owner.object.as_ref(), owner.row.as_ref());
        Self {
            name: object.map(ToString::to_string),
            kind: object.map(|object| object.kind.name()),
            object_id: object.map(|object| object.object_id),
            index_id: object.map(|object| object.index_id),
            partition: row.and_then(|row| row.partition),
            partition_id: row.map(|row| row.rowset_id),
            allocation_unit_id: owner.unit,
            named_by: owner.named_by.map(NamedBy::name),
            iam: owner.iam,
            is_claimed_twice: owner.is_claimed_twice,
        }
    }
}

impl MessageView {
    fn of(message: Message, looked: &Looked) -> Self {
        let page = &looked.page;
        let now = match PageHeader::of(page).protection() {
            Protection::Torn => {
                let check = TornCheck::of(page);
                (check.expected, check.actual)
            }
            Protection::Checksum | Protection::None => {
                (Checksum::stored_in(page).0, Checksum::of(page).0)
            }
        };
        let told = message.expected.zip(message.actual);
        let contradicts_itself = message.contradicts_itself();
        Self { contradicts_itself, fits: told.map(|told| told == now), message }
    }
}
