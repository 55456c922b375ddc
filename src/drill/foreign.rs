//! Content that belongs to no data file: the first 8 KiB of files of other kinds, made up here.

use super::chance::{Dice, below};
use super::junk;
use crate::page::{PAGE_BYTES, Page};

/// Writes the file's first bytes over a page that holds other bytes.
type Writer = fn(&mut [u8; PAGE_BYTES], &mut Dice);

const KINDS: [(&str, Writer); 8] = [
    ("records of an NTFS file table", file_table),
    ("a zip archive", zip),
    ("a gzip file", gzip),
    ("text", text),
    ("an SQLite database", sqlite),
    ("an ELF program", elf),
    ("a PDF document", pdf),
    ("a PNG image", png),
];

const WORDS: [&str; 16] = [
    "order", "paid", "customer", "the", "invoice", "on", "of", "delivery", "was", "to", "street",
    "and", "from", "number", "late", "open",
];

/// Overwrites `page` with content of a kind that the dice choose.
pub(super) fn overwrite(page: &mut Page, dice: &mut Dice) -> String {
    let (name, write) = KINDS[below(dice, KINDS.len() as u64) as usize];
    *page = Page::ZERO;
    write(page.bytes_mut(), dice);
    format!("overwritten with {name}")
}

fn put(bytes: &mut [u8; PAGE_BYTES], at: usize, part: &[u8]) {
    bytes[at..at + part.len()].copy_from_slice(part);
}

/// Compressed data, which looks like noise, from `at` on.
fn compress(bytes: &mut [u8; PAGE_BYTES], at: usize, dice: &mut Dice) {
    bytes[at..].copy_from_slice(&junk::noise(dice).bytes()[at..]);
}

/// Eight records of 1 KiB, each with its update sequence and two attributes.
fn file_table(bytes: &mut [u8; PAGE_BYTES], dice: &mut Dice) {
    let first = below(dice, 1 << 20) as u32;
    for (at, record) in (0..PAGE_BYTES).step_by(1024).zip(first..) {
        put(bytes, at, b"FILE\x30\x00\x03\x00");
        put(bytes, at + 8, &below(dice, 1 << 40).to_le_bytes());
        put(bytes, at + 16, &[1, 0, 1, 0, 0x38, 0, 1, 0, 0xa0, 1, 0, 0, 0, 4, 0, 0]);
        put(bytes, at + 44, &record.to_le_bytes());
        put(bytes, at + 56, &[0x10, 0, 0, 0, 0x60, 0, 0, 0]);
        put(bytes, at + 152, &[0x30, 0, 0, 0, 0x70, 0, 0, 0]);
        put(bytes, at + 264, &[0xff; 4]);
    }
}

fn zip(bytes: &mut [u8; PAGE_BYTES], dice: &mut Dice) {
    compress(bytes, 30, dice);
    put(bytes, 0, b"PK\x03\x04\x14\x00\x00\x00\x08\x00");
    put(bytes, 26, &[9, 0, 0, 0]);
    put(bytes, 30, b"sales.csv");
}

fn gzip(bytes: &mut [u8; PAGE_BYTES], dice: &mut Dice) {
    compress(bytes, 10, dice);
    put(bytes, 0, &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
}

fn text(bytes: &mut [u8; PAGE_BYTES], dice: &mut Dice) {
    let mut text = Vec::with_capacity(PAGE_BYTES + 16);
    while text.len() < PAGE_BYTES {
        text.extend(WORDS[below(dice, WORDS.len() as u64) as usize].bytes());
        text.push(if below(dice, 12) == 0 { b'\n' } else { b' ' });
    }
    bytes.copy_from_slice(&text[..PAGE_BYTES]);
}

/// The header, then the leaf page that every database begins with, empty.
fn sqlite(bytes: &mut [u8; PAGE_BYTES], dice: &mut Dice) {
    put(bytes, 0, b"SQLite format 3\x00\x10\x00\x01\x01\x00\x40\x20\x20");
    put(bytes, 24, &(below(dice, 1 << 16) as u32).to_be_bytes());
    put(bytes, 100, &[0x0d, 0, 0, 0, 1, 0x0f, 0x80, 0]);
    put(bytes, 0xf80, b"\x3a\x01\x06\x17\x17\x17\x01\x65tableitemitem\x02CREATE TABLE item(id)");
}

fn elf(bytes: &mut [u8; PAGE_BYTES], dice: &mut Dice) {
    put(bytes, 0, b"\x7fELF\x02\x01\x01\x00");
    put(bytes, 16, &[3, 0, 0x3e, 0, 1, 0, 0, 0]);
    put(bytes, 24, &(below(dice, 1 << 20) & !0xf).to_le_bytes());
    put(bytes, 32, &[64, 0, 0, 0, 0, 0, 0, 0]);
    put(bytes, 52, &[64, 0, 56, 0, 13, 0, 64, 0]);
    put(bytes, 792, b"/lib64/ld-linux-x86-64.so.2");
    for at in (1024..PAGE_BYTES).step_by(24) {
        let room = 24.min(PAGE_BYTES - at);
        let symbol = [below(dice, 1 << 12), 0x12 << 32, below(dice, 1 << 20)];
        let symbol: Vec<u8> = symbol.iter().flat_map(|part| part.to_le_bytes()).collect();
        put(bytes, at, &symbol[..room]);
    }
}

fn pdf(bytes: &mut [u8; PAGE_BYTES], dice: &mut Dice) {
    compress(bytes, 0, dice);
    put(bytes, 0, b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<</Filter/FlateDecode/Length 52114>>\n");
    put(bytes, 67, b"stream\n");
}

fn png(bytes: &mut [u8; PAGE_BYTES], dice: &mut Dice) {
    compress(bytes, 33, dice);
    put(bytes, 0, b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x02\x80\x00\x00\x01\xe0\x08\x02");
    put(bytes, 33, b"\x00\x01\x00\x00IDAT\x78\x9c");
}
