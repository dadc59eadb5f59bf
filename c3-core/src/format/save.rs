//! Writing a context that is in memory.

use std::io::{Cursor, Seek, Write};
use std::path::Path;

use super::write::LatentWriter;
use crate::{AtomicFile, LatentContext, Result, SegmentSource};

impl LatentContext {
    /// Writes a `.c3` file where `out` stands, and gives it back.
    ///
    /// # Errors
    /// As [`LatentWriter::new`], [`push`](LatentWriter::push) and [`finish`](LatentWriter::finish).
    pub fn write<W: Write + Seek>(&self, out: W) -> Result<W> {
        let mut writer = LatentWriter::new(out, self.provenance().clone())?;
        self.segments().iter().try_for_each(|segment| writer.push(segment))?;
        writer.finish(self.source())
    }

    /// The bytes of its `.c3` file.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(self.write(Cursor::new(Vec::new()))?.into_inner())
    }

    /// Writes its `.c3` file to `path`: all of it, or nothing.
    ///
    /// # Errors
    /// As [`write`](Self::write), [`AtomicFile::create`] and [`AtomicFile::commit`].
    pub fn save(&self, path: impl AsRef<Path>, overwrite: bool) -> Result<()> {
        self.write(AtomicFile::create(path, overwrite)?)?.commit()
    }
}
