//! Which function a path belongs to, and which key it asks for.

use crate::target::{Function, decode};

/// The paths of the measured functions.
pub(super) struct Routes {
    /// What comes before and after the key.
    templates: Vec<(String, String)>,
}

impl Routes {
    pub(super) fn new(functions: &[Function]) -> Self {
        let split = |function: &Function| {
            let (before, after) = function.route.split_once("{key}").unwrap_or_default();
            (before.to_owned(), after.to_owned())
        };
        Self {
            templates: functions.iter().map(split).collect(),
        }
    }

    /// How many functions keys are divided over.
    pub(super) fn count(&self) -> usize {
        self.templates.len().max(1)
    }

    /// The function and the key of a path, a URL or a bare key; `None` if it belongs to no
    /// function.
    pub(super) fn find(&self, subject: &str) -> Result<Option<(usize, String)>, String> {
        let path = without_host(subject);
        if self.templates.is_empty() {
            return Ok(Some((0, path.to_owned())));
        }
        if !path.starts_with('/') {
            return match self.templates.len() {
                1 => Ok(Some((0, subject.to_owned()))),
                _ => Err(
                    "it has bare keys, and the target has several functions: name one with \
                     --functions, or give whole paths"
                        .into(),
                ),
            };
        }
        let mut templates = self.templates.iter().enumerate();
        Ok(templates.find_map(|(index, (before, after))| {
            let key = path.strip_prefix(before.as_str())?;
            // Parameters after the key belong to no template.
            let key = match after.is_empty() {
                true => key.split(['&', '#']).next()?,
                false => key.strip_suffix(after.as_str())?,
            };
            let key = match before.contains('?') {
                true => key,
                false => key.split('?').next()?,
            };
            (!key.is_empty() && !key.contains('/')).then(|| (index, decode(key)))
        }))
    }

    /// What a line may be, for messages.
    pub(super) fn describe(&self) -> String {
        let templates = self.templates.iter();
        let templates: Vec<String> = templates
            .map(|(before, after)| format!("{before}{{key}}{after}"))
            .collect();
        format!("the paths are {}", templates.join(" and "))
    }
}

fn without_host(subject: &str) -> &str {
    let Some((scheme, rest)) = subject.split_once("://") else {
        return subject;
    };
    match (scheme, rest.find('/')) {
        ("http" | "https", Some(slash)) => &rest[slash..],
        _ => subject,
    }
}
