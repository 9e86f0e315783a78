//! What each line of one invocation carries, in the log and in the metrics, so that the lines can
//! be joined with each other, with the API's access log and with a trace. The names are those of
//! AWS's Powertools.

use lambda_http::Context;
use serde_json::{Map, Value};

/// The `service` of all functions.
const SERVICE: &str = "larder";

/// One invocation of this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct InvocationTags {
    request_id: String,
    xray_trace_id: Option<String>,
    pub(crate) cold_start: bool,
}

impl InvocationTags {
    /// The tags of the invocation with this context. `cold_start`: its environment was started for
    /// it.
    pub(crate) fn new(context: Option<&Context>, cold_start: bool) -> Self {
        Self {
            request_id: context
                .map(|context| context.request_id.clone())
                .unwrap_or_default(),
            xray_trace_id: context
                .and_then(|context| context.xray_trace_id.as_deref())
                .and_then(trace_id)
                .map(str::to_owned),
            cold_start,
        }
    }

    pub(crate) fn add_to(&self, line: &mut Map<String, Value>) {
        line.insert("service".to_owned(), SERVICE.into());
        line.insert("requestId".to_owned(), self.request_id.clone().into());
        line.insert("cold_start".to_owned(), self.cold_start.into());
        if let Some(id) = &self.xray_trace_id {
            line.insert("xray_trace_id".to_owned(), id.clone().into());
        }
    }
}

/// `1-5759e988-…` of the header `Root=1-5759e988-…;Parent=…;Sampled=1`.
fn trace_id(header: &str) -> Option<&str> {
    header
        .split(';')
        .find_map(|part| part.trim().strip_prefix("Root="))
        .filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_named_by_its_root() {
        let root = "1-5759e988-bd862e3fe1be46a994272793";
        for header in [
            format!("Root={root};Parent=53995c3f42cd8ad8;Sampled=1"),
            format!("Self=1-67891234-12456789abcdef012345678;Root={root}"),
            format!("Root={root}"),
        ] {
            assert_eq!(trace_id(&header), Some(root), "{header}");
        }
        for header in ["", "Root=", "Parent=53995c3f42cd8ad8;Sampled=1"] {
            assert_eq!(trace_id(header), None, "{header}");
        }
    }
}
