//! A tree of pages whose sums differ: which page is wrong (docs/check.md, section "Trees").

use super::Breach;
use super::rule::Rule;
use super::unit_pages::{Broken, Look, Unit};
use crate::page::address::PageAddress;
use crate::page::header::PageHeader;
use crate::page::slots::{Slot, Slots};
use std::collections::{BTreeSet, HashMap};

/// A page of the tree.
struct Node {
    level: u16,
    previous: Option<PageAddress>,
    next: Option<PageAddress>,
    is_empty: bool,
    /// Of pages above the leaves, by slot.
    children: Box<[PageAddress]>,
}

/// The pages of a tree by their places.
struct Tree<'a> {
    unit: &'a Unit,
    nodes: HashMap<PageAddress, Node>,
    /// Pages that take no part.
    unseen: BTreeSet<PageAddress>,
    /// Those to which a parent refers.
    reached: BTreeSet<PageAddress>,
    /// Levels below this one were not reached as a whole.
    cut_at: Option<u16>,
}

/// Adds to `broken` what is wrong in the tree of `unit`. Returns its pages that are not sound.
pub(super) fn check(unit: &Unit, look: &Look<'_>, broken: &mut Broken) -> BTreeSet<PageAddress> {
    let mut nodes = HashMap::new();
    let unseen = look.own_pages(unit, broken, &mut |place, page| {
        let header = PageHeader::of(page);
        let (previous, next) = (header.previous(), header.next());
        let level = unit.true_level(header.page_type, header.level);
        let slots = Slots::of(page);
        let children =
            if level > 0 { slots.all().filter_map(Slot::child).collect() } else { [].into() };
        let is_empty = slots.count() == 0;
        nodes.insert(place, Node { level, previous, next, is_empty, children });
    });
    let mut tree = Tree { unit, nodes, unseen, reached: BTreeSet::new(), cut_at: None };
    tree.check(broken);
    tree.unseen
}

impl Tree<'_> {
    fn breach(&self, rule: Rule, place: PageAddress) -> Breach {
        Breach { unit: Some(self.unit.id), ..Breach::of(rule, place) }
    }

    fn check(&mut self, broken: &mut Broken) {
        if !self.is_root_right(broken) {
            return;
        }
        let mut level = vec![Some(self.unit.root)];
        self.reached.insert(self.unit.root);
        while !level.is_empty() {
            self.check_order(&level, broken);
            level = self.below(&level, broken);
        }
        let is_single = self.nodes.len() + self.unseen.len() == 1;
        for (place, node) in &self.nodes {
            let is_known = self.cut_at.is_none_or(|cut| node.level >= cut);
            if is_known && !self.reached.contains(place) {
                broken.add(self.breach(Rule::T4, *place));
            } else if node.is_empty && !is_single {
                broken.add(self.breach(Rule::T5, *place));
            }
        }
    }

    /// False if nothing can be told without the root.
    fn is_root_right(&self, broken: &mut Broken) -> bool {
        let root = self.unit.root;
        let takes_no_part = self.unseen.contains(&root) || broken.has(root);
        let highest = self.nodes.values().map(|node| node.level).max();
        let is_right = self.nodes.get(&root).is_some_and(|node| {
            Some(node.level) == highest && (node.previous, node.next) == (None, None)
        });
        if !is_right && !takes_no_part && (!self.nodes.is_empty()) {
            broken.add(self.breach(Rule::T1, root));
        }
        is_right
    }

    /// The links of the pages of `level`, which stand in this order by their parents; `None` is a
    /// page that is not known.
    fn check_order(&self, level: &[Option<PageAddress>], broken: &mut Broken) {
        let links = |place: &PageAddress| {
            self.nodes.get(place).map(|node| (node.previous, node.next)).unwrap_or_default()
        };
        let first = level.first().copied().flatten().filter(|first| links(first).0.is_some());
        let last = level.last().copied().flatten().filter(|last| links(last).1.is_some());
        for end in first.into_iter().chain(last) {
            broken.add(self.breach(Rule::T3, end));
        }
        for pair in level.windows(2) {
            let [Some(a), Some(b)] = pair else { continue };
            let wrong = match (links(a).1 == Some(*b), links(b).0 == Some(*a)) {
                (false, _) => (a, b),
                (true, false) => (b, a),
                (true, true) => continue,
            };
            broken.add(self.breach(Rule::T3, *wrong.0).with(*wrong.1));
        }
    }

    /// The children of the pages of `level`, in order.
    fn below(
        &mut self,
        level: &[Option<PageAddress>],
        broken: &mut Broken,
    ) -> Vec<Option<PageAddress>> {
        let mut below = Vec::new();
        for place in level {
            let Some(node) = place.and_then(|place| self.nodes.get(&place)) else {
                // What is under a page that is not known is not known.
                below.push(None);
                continue;
            };
            let Some(place) = *place else { continue };
            let (own, children) = (node.level, node.children.clone());
            for (slot, child) in children.iter().enumerate() {
                below.push(self.child(place, own, slot as u16, *child, broken));
            }
        }
        if below.iter().all(Option::is_none) { Vec::new() } else { below }
    }

    /// The page at `child`, to which slot `slot` of the page at `place` leads, if it is one that
    /// fits.
    fn child(
        &mut self,
        place: PageAddress,
        level: u16,
        slot: u16,
        child: PageAddress,
        broken: &mut Broken,
    ) -> Option<PageAddress> {
        let fits = self.nodes.get(&child).is_some_and(|node| node.level + 1 == level);
        if fits && self.reached.insert(child) {
            return Some(child);
        }
        // It may lead to any page under this one, so that of none of them it is known.
        self.cut_at = Some(self.cut_at.map_or(level, |cut| cut.max(level)));
        if !self.unseen.contains(&child) && !broken.has(child) {
            let (slot, other) = (Some(slot), Some(child));
            broken.add(Breach { slot, other, ..self.breach(Rule::T2, place) });
        }
        None
    }
}
