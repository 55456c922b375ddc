//! What one thread has handed to GPUs and not got back yet.

use crate::page::ranges::PageRanges;
use crate::read::Way;
use crate::read::arena::PageBuffer;
use crate::verify::gpu::job::{Answer, Job};
use crate::verify::gpu::pool::Gpus;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// A GPU whose thread has not answered for so long is stuck inside its driver: it gives up by
/// itself much earlier.
const OVERDUE: Duration = Duration::from_secs(30);

/// Pages that have been read and not been looked at yet.
pub(super) struct Unseen {
    pub(super) file: usize,
    pub(super) ranges: PageRanges,
    /// How long reading them took, and in which way.
    pub(super) read: Duration,
    pub(super) way: Way,
}

/// Pages that are at a GPU.
struct Piece {
    token: u64,
    gpu: usize,
    unseen: Unseen,
    since: Instant,
}

/// Pages that have come back.
pub(super) struct Returned {
    pub(super) unseen: Unseen,
    pub(super) answer: Answer,
    /// How long they were away.
    pub(super) took: Duration,
}

/// The desk at which a thread hands over buffers and takes them back.
pub(super) struct AtGpus<'a> {
    gpus: Option<&'a Gpus>,
    answer_to: Sender<Answer>,
    answers: Receiver<Answer>,
    /// The oldest first.
    pieces: Vec<Piece>,
    tokens: u64,
}

impl<'a> AtGpus<'a> {
    pub(super) fn new(gpus: Option<&'a Gpus>) -> Self {
        let (answer_to, answers) = channel();
        Self { gpus, answer_to, answers, pieces: Vec::new(), tokens: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Hands `buffer`, one of the `buffers` of this thread, with the pages of `unseen` to a GPU. It
    /// comes back if none takes it, or if they have enough of these.
    pub(super) fn hand_over(
        &mut self,
        unseen: Unseen,
        buffer: PageBuffer,
        buffers: usize,
    ) -> Result<(), (Unseen, PageBuffer)> {
        let has_room = |gpus: &&Gpus| self.pieces.len() < gpus.share_of(buffers);
        let Some(gpus) = self.gpus.filter(has_room) else { return Err((unseen, buffer)) };
        self.tokens += 1;
        let (token, answer_to) = (self.tokens, self.answer_to.clone());
        match gpus.offer(Job { buffer, pages: unseen.ranges.pages(), token, answer_to }) {
            Ok(gpu) => {
                self.pieces.push(Piece { token, gpu, unseen, since: Instant::now() });
                Ok(())
            }
            Err(job) => Err((unseen, job.buffer)),
        }
    }

    /// The next that comes back within `patience`.
    pub(super) fn next(&mut self, patience: Duration) -> Option<Returned> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = self.answers.recv_timeout(left).ok()?;
            // What was given up may come back all the same.
            let Some(at) = self.pieces.iter().position(|piece| piece.token == answer.token) else {
                continue;
            };
            let Piece { unseen, since, .. } = self.pieces.remove(at);
            return Some(Returned { unseen, answer, took: since.elapsed() });
        }
    }

    /// What will not come back any more: its GPU is stuck, or its thread has ended by itself.
    pub(super) fn give_up_overdue(&mut self) -> Vec<Unseen> {
        let Some(gpus) = self.gpus else { return Vec::new() };
        let is_lost = |piece: &mut Piece| {
            let gpu = gpus.gpu(piece.gpu);
            let is_overdue = piece.since.elapsed() > OVERDUE;
            if is_overdue {
                gpu.retire("it does not answer");
            }
            is_overdue || gpu.has_ended()
        };
        self.pieces.extract_if(.., is_lost).map(|piece| piece.unseen).collect()
    }
}
