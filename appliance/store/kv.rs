//! The seam to the engine: get, put, delete, ordered range. The only importer of heed.

use super::error::Result;

/// What can be read in a snapshot and in a batch alike. Keys and rows as in `format`; the row head
/// (checksum, key) is checked and taken off here.
pub(crate) trait Read {
    /// The payload of the row at `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Calls `each` with key and payload of every row in `from..to` in order, until it says stop
    /// (`false`). No copy is made of rows that `each` does not keep.
    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        each: &mut dyn FnMut(&[u8], &[u8]) -> Result<bool>,
    ) -> Result<()>;

    /// The last row in `from..to`.
    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<(Vec<u8>, Vec<u8>)>>;
}

/// A consistent view that holds back page reuse: keep it short.
pub(crate) struct Snapshot {}

/// One write transaction, handed to jobs by the writer.
pub(crate) struct Batch {}

impl Read for Snapshot {
    fn get(&self, _key: &[u8]) -> Result<Option<Vec<u8>>> {
        todo!()
    }
    fn scan(
        &self,
        _from: &[u8],
        _to: &[u8],
        _each: &mut dyn FnMut(&[u8], &[u8]) -> Result<bool>,
    ) -> Result<()> {
        todo!()
    }
    fn last(&self, _from: &[u8], _to: &[u8]) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        todo!()
    }
}

impl Read for Batch {
    fn get(&self, _key: &[u8]) -> Result<Option<Vec<u8>>> {
        todo!()
    }
    fn scan(
        &self,
        _from: &[u8],
        _to: &[u8],
        _each: &mut dyn FnMut(&[u8], &[u8]) -> Result<bool>,
    ) -> Result<()> {
        todo!()
    }
    fn last(&self, _from: &[u8], _to: &[u8]) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        todo!()
    }
}

impl Batch {
    pub(crate) fn put(&mut self, _key: &[u8], _payload: &[u8]) -> Result<()> {
        todo!()
    }

    /// Was there a row?
    pub(crate) fn delete(&mut self, _key: &[u8]) -> Result<bool> {
        todo!()
    }

    /// The time of this batch, seconds since 1970, as the machine gave it to the job.
    pub(crate) fn announce(&mut self, _change: super::change::Change) {
        todo!()
    }
}
