//! Result files: lines of JSON, the first of which says what was run.

mod bins;
mod cost_record;
mod header;
mod merged;
mod read;
mod record;
mod write;

pub(crate) use bins::unbinned;
pub use cost_record::CostRecord;
pub use header::{CorpusIdentity, CostPlan, Header, Machine, Place, VERSION};
pub use merged::{Merged, merge};
pub use read::{Results, read_header, read_results};
pub(crate) use record::bucket_errors;
pub use record::{BUCKETS, Record, bucket_tokens};
pub use write::ResultWriter;
