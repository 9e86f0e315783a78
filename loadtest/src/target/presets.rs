//! Common caches: where each says what it did, how it is emptied and how it is passed by. A target
//! file names one with `preset`, and describes its functions; what it says itself wins.

/// The name and the description of each.
const PRESETS: [(&str, &str); 5] = [
    ("cloudfront", include_str!("presets/cloudfront.toml")),
    ("fastly", include_str!("presets/fastly.toml")),
    ("nginx", include_str!("presets/nginx.toml")),
    ("souin", include_str!("presets/souin.toml")),
    ("varnish", include_str!("presets/varnish.toml")),
];

/// Their names, for messages.
pub(crate) fn names() -> String {
    PRESETS.map(|(name, _)| name).join(", ")
}

/// Completes a description that names a preset.
pub(super) fn complete(mut described: toml::Table) -> Result<toml::Table, String> {
    let Some(preset) = described.remove("preset") else {
        return Ok(described);
    };
    let name = preset.as_str().unwrap_or_default();
    let text = PRESETS.iter().find(|(known, _)| *known == name);
    let (_, text) = text.ok_or_else(|| format!("no preset {name:?}; there are {}", names()))?;
    let preset: toml::Table = text.parse().map_err(|e| format!("preset {name}: {e}"))?;
    for (key, value) in preset {
        described.entry(key).or_insert(value);
    }
    Ok(described)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Bypass, Target};

    #[test]
    fn each_preset_is_whole_with_a_function_and_a_file_may_say_otherwise() {
        let function = "[[function]]\nname = 'f'\npath = '/f/{key}'\nkeys = 'salted'\n";
        for (name, _) in PRESETS {
            let target = Target::parse(&format!("preset = '{name}'\n{function}"));
            target.unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        let own = format!("preset = 'nginx'\nbypass = 'max-age=0'\n{function}");
        let bypass = Target::parse(&own).unwrap().bypass.unwrap();
        assert!(matches!(bypass, Bypass::CacheControl(value) if value == "max-age=0"));
        let error = Target::parse(&format!("preset = 'squid'\n{function}")).unwrap_err();
        assert!(
            error.contains("there are cloudfront, fastly, nginx"),
            "{error}"
        );
    }
}
