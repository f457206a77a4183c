//! Sorting more records than memory holds: sorted pieces go to files, which are then read together.

use crate::limits::{SALVAGE_SORT_BYTES, SALVAGE_SORT_FILES};
use crate::store::error::{Result, StoreError};
use crate::store::kv::{create_private, io_error};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Records of key and value, ordered by both.
pub(crate) struct Sorter {
    dir: PathBuf,
    name: &'static str,
    /// Octets held before they become a file.
    memory: usize,
    octets: Vec<u8>,
    /// Where each record begins in `octets`, the length of its key, and of all of it.
    spans: Vec<(usize, usize, usize)>,
    files: Vec<PathBuf>,
    made: usize,
}

/// What a merge shows: key and value.
type OnRecord<'a> = dyn FnMut(&[u8], &[u8]) -> Result<()> + 'a;

impl Sorter {
    pub(super) fn new(dir: &Path, name: &'static str) -> Sorter {
        let (octets, spans, files) = (Vec::new(), Vec::new(), Vec::new());
        let memory = SALVAGE_SORT_BYTES;
        Sorter { dir: dir.to_path_buf(), name, memory, octets, spans, files, made: 0 }
    }

    #[cfg(test)]
    pub(crate) fn with_memory(dir: &Path, memory: usize) -> Sorter {
        Sorter { memory, ..Sorter::new(dir, "test") }
    }

    pub(crate) fn push(&mut self, key: &[u8], value: &[&[u8]]) -> Result<()> {
        let at = self.octets.len();
        self.octets.extend_from_slice(key);
        value.iter().for_each(|part| self.octets.extend_from_slice(part));
        self.spans.push((at, key.len(), self.octets.len() - at));
        // Each span takes memory too.
        if self.octets.len() + 24 * self.spans.len() >= self.memory {
            self.spill()?;
        }
        Ok(())
    }

    /// Shows all records in order, equal ones once. Can be done more than once.
    pub(crate) fn each(&mut self, look: &mut OnRecord<'_>) -> Result<()> {
        self.spill()?;
        merge(&self.files, look)
    }

    fn spill(&mut self) -> Result<()> {
        if self.spans.is_empty() {
            return Ok(());
        }
        let mut spans = std::mem::take(&mut self.spans);
        let octets = std::mem::take(&mut self.octets);
        let record = |&(at, key, all): &(usize, usize, usize)| {
            let record = octets.get(at..at + all).unwrap_or_default();
            record.split_at_checked(key).unwrap_or_default()
        };
        spans.sort_unstable_by(|a, b| record(a).cmp(&record(b)));
        let path = self.next_file();
        let mut out = Out::create(&path)?;
        spans.iter().map(record).try_for_each(|(key, value)| out.put(key, value))?;
        out.finish()?;
        self.files.push(path);
        if self.files.len() >= SALVAGE_SORT_FILES {
            self.join()?;
        }
        Ok(())
    }

    /// Makes one file of all, so that they never are too many to read together.
    fn join(&mut self) -> Result<()> {
        let path = self.next_file();
        let mut out = Out::create(&path)?;
        merge(&self.files, &mut |key, value| out.put(key, value))?;
        out.finish()?;
        for old in std::mem::replace(&mut self.files, vec![path]) {
            std::fs::remove_file(&old).map_err(trouble)?;
        }
        Ok(())
    }

    fn next_file(&mut self) -> PathBuf {
        self.made += 1;
        self.dir.join(format!("{}-{}", self.name, self.made))
    }
}

fn trouble(error: std::io::Error) -> StoreError {
    io_error("a file for sorting", &error)
}

/// A sorted file: key length u16, value length u32, key, value, again and again.
struct Out(BufWriter<File>);

impl Out {
    fn create(path: &Path) -> Result<Out> {
        Ok(Out(BufWriter::with_capacity(1 << 16, create_private(path)?)))
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let key_length = u16::try_from(key.len()).map_err(|_| too_long())?.to_le_bytes();
        let value_length = u32::try_from(value.len()).map_err(|_| too_long())?.to_le_bytes();
        for part in [&key_length[..], &value_length, key, value] {
            self.0.write_all(part).map_err(trouble)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.0.flush().map_err(trouble)
    }
}

fn too_long() -> StoreError {
    StoreError::Invalid("a record to be sorted is too long")
}

/// One of our own files, read on.
struct In(BufReader<File>);

/// Key, value, and which file it is of.
type Head = Reverse<(Vec<u8>, Vec<u8>, usize)>;

impl In {
    fn next(&mut self, number: usize) -> Result<Option<Head>> {
        let mut lengths = [0; 6];
        match self.0.read_exact(&mut lengths) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other.map_err(trouble)?,
        }
        let [a, b, c, d, e, f] = lengths;
        let mut key = vec![0; usize::from(u16::from_le_bytes([a, b]))];
        let length = usize::try_from(u32::from_le_bytes([c, d, e, f])).map_err(|_| too_long())?;
        let mut value = vec![0; length];
        self.0.read_exact(&mut key).map_err(trouble)?;
        self.0.read_exact(&mut value).map_err(trouble)?;
        Ok(Some(Reverse((key, value, number))))
    }
}

fn merge(files: &[PathBuf], look: &mut OnRecord<'_>) -> Result<()> {
    let mut inputs = Vec::with_capacity(files.len());
    let mut heads = BinaryHeap::with_capacity(files.len());
    for (number, path) in files.iter().enumerate() {
        let file = File::open(path).map_err(trouble)?;
        let mut input = In(BufReader::with_capacity(1 << 16, file));
        heads.extend(input.next(number)?);
        inputs.push(input);
    }
    let mut last: Option<(Vec<u8>, Vec<u8>)> = None;
    while let Some(Reverse((key, value, number))) = heads.pop() {
        if let Some(input) = inputs.get_mut(number) {
            heads.extend(input.next(number)?);
        }
        if last.as_ref().is_none_or(|last| (&last.0, &last.1) != (&key, &value)) {
            look(&key, &value)?;
            last = Some((key, value));
        }
    }
    Ok(())
}
