//! The grammar of `("name", ttl = "60s", …)`. The policy checks itself, in a `const`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{
    Error, Expr, Ident, LitBool, LitStr, Result, Token,
    ext::IdentExt as _,
    parenthesized,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
};

use crate::tags;

pub(crate) struct Args {
    pub(crate) name: LitStr,
    pub(crate) policy: Policy,
    pub(crate) key: Option<Expr>,
    pub(crate) cache: Option<Expr>,
    pub(crate) skip: Vec<Ident>,
    pub(crate) tags: Vec<LitStr>,
    /// The labels that replace the names of types in the key.
    pub(crate) types: Option<Expr>,
    /// What the companions are called by: their struct, or what comes before `_fetch`.
    pub(crate) companions: Option<Ident>,
    /// The origin of many keys.
    pub(crate) many: Option<Expr>,
    /// Which errors are cached.
    pub(crate) negative: Option<Expr>,
    /// Whether stale values are refreshed in tasks of their own, and where that is said.
    pub(crate) background: Option<Span>,
}

/// How values are cached.
pub(crate) enum Policy {
    /// A constant.
    Shorthands(TokenStream),
    /// What `policy` names: a constant, or an expression of each call; and the setter of its version.
    Whole { policy: Expr, version: TokenStream },
}

/// Shorthands that take a duration; each is the setter of this name.
const DURATIONS: [&str; 7] = [
    "stale_while_revalidate",
    "stale_if_error",
    "negative_ttl",
    "lease",
    "wait",
    "min_cost",
    "near",
];
/// Shorthands that take a number.
const NUMBERS: [&str; 4] = ["jitter", "max_size", "compress_over", "version"];

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if !input.peek(LitStr) {
            return Err(input.error("the function's name in the cache comes first: #[larder::cached(\"name\", ttl = \"60s\")]"));
        }
        let name: LitStr = input.parse()?;
        check_name(&name)?;
        let mut given = Given::default();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if !input.is_empty() {
                given.argument(input)?;
            }
        }
        let policy = given.policy(&name)?;
        Ok(Self {
            name,
            policy,
            key: given.key,
            cache: given.cache,
            skip: given.skip,
            tags: given.tags,
            types: given.types,
            companions: given.companions,
            many: given.many,
            negative: given.negative,
            background: given.background,
        })
    }
}

#[derive(Default)]
struct Given {
    seen: Vec<String>,
    whole: Option<Expr>,
    ttl: Option<TokenStream>,
    setters: Vec<TokenStream>,
    key: Option<Expr>,
    cache: Option<Expr>,
    skip: Vec<Ident>,
    tags: Vec<LitStr>,
    types: Option<Expr>,
    companions: Option<Ident>,
    many: Option<Expr>,
    negative: Option<Expr>,
    background: Option<Span>,
}

/// What takes neither a time nor a number.
const OTHERS: [&str; 11] = [
    "ttl",
    "policy",
    "key",
    "skip",
    "tags",
    "cache",
    "types",
    "companions",
    "many",
    "negative",
    "background_refresh",
];

impl Given {
    fn argument(&mut self, input: ParseStream<'_>) -> Result<()> {
        let ident: Ident = input.parse()?;
        let word = ident.to_string();
        if self.seen.contains(&word) {
            return Err(Error::new(
                ident.span(),
                format!("`{word}` is given twice: leave out one of the two"),
            ));
        }
        self.seen.push(word.clone());
        if word == "skip" {
            let inner;
            parenthesized!(inner in input);
            // `self` is a keyword, and here an argument like any other.
            let names =
                Punctuated::<Ident, Token![,]>::parse_terminated_with(&inner, Ident::parse_any)?;
            self.skip = names.into_iter().collect();
            return Ok(());
        }
        if word == "tags" {
            self.tags = tags(input)?;
            return Ok(());
        }
        let known = OTHERS.contains(&word.as_str())
            || DURATIONS.contains(&word.as_str())
            || NUMBERS.contains(&word.as_str());
        if !known {
            return Err(Error::new(ident.span(), unknown(&word)));
        }
        input.parse::<Token![=]>()?;
        match word.as_str() {
            "policy" => self.whole = Some(input.parse()?),
            "key" => self.key = Some(input.parse()?),
            "cache" => self.cache = Some(input.parse()?),
            "types" => self.types = Some(input.parse()?),
            "companions" => self.companions = Some(input.parse()?),
            "many" => self.many = Some(input.parse()?),
            "negative" => self.negative = Some(input.parse()?),
            "background_refresh" => {
                let yes: LitBool = input.parse()?;
                self.background = yes.value.then(|| ident.span());
            }
            "ttl" => {
                let ttl = duration(input)?;
                self.ttl = Some(quote_spanned!(ident.span()=> ::larder::Policy::ttl(#ttl)));
            }
            word if DURATIONS.contains(&word) => {
                let time = duration(input)?;
                self.setters
                    .push(quote_spanned!(ident.span()=> .#ident(#time)));
            }
            _ => {
                let number: Expr = input.parse()?;
                self.setters
                    .push(quote_spanned!(ident.span()=> .#ident(#number)));
            }
        }
        Ok(())
    }

    /// A whole policy is only known to the compiler.
    fn check_background(&self) -> Result<()> {
        let window = |word: &String| word == "policy" || word == "stale_while_revalidate";
        match self.background {
            Some(at) if !self.seen.iter().any(window) => Err(Error::new(
                at,
                "a value is refreshed in the background while a stale one is served: say for how long, stale_while_revalidate = \"30s\"",
            )),
            _ => Ok(()),
        }
    }

    /// Whether nothing but the version is said beside a whole policy: that is part of the key, and so
    /// the same for every call.
    fn has_only_version(&self) -> bool {
        let shorthand =
            |word: &str| DURATIONS.contains(&word) || NUMBERS.contains(&word) && word != "version";
        !self.seen.iter().any(|word| shorthand(word))
    }

    fn policy(&mut self, name: &LitStr) -> Result<Policy> {
        self.check_background()?;
        let setters = &self.setters;
        match (&self.whole, &self.ttl) {
            (Some(whole), None) if self.has_only_version() => Ok(Policy::Whole {
                policy: whole.clone(),
                version: quote!(#(#setters)*),
            }),
            (None, Some(ttl)) => Ok(Policy::Shorthands(quote!(#ttl #(#setters)*))),
            (None, None) => Err(Error::new(
                name.span(),
                "say how long values live: ttl = \"60s\", or policy = A_CONST",
            )),
            (Some(whole), _) => Err(Error::new_spanned(
                whole,
                "either `policy` or the shorthands, not both: set the rest on the policy; only `version` may be beside it",
            )),
        }
    }
}

fn unknown(word: &str) -> String {
    let known = OTHERS.into_iter().chain(DURATIONS).chain(NUMBERS);
    let known: Vec<_> = known.map(|word| format!("`{word}`")).collect();
    format!("`{word}` is not one of {}", known.join(", "))
}

fn check_name(name: &LitStr) -> Result<()> {
    let text = name.value();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=64).contains(&text.len()) && text.chars().all(plain) {
        return Ok(());
    }
    Err(Error::new(
        name.span(),
        "invalid name: use 1 to 64 of a-z A-Z 0-9 . _ -",
    ))
}

/// The texts of `tags("tenant:{tenant}", …)`.
fn tags(input: ParseStream<'_>) -> Result<Vec<LitStr>> {
    const FORM: &str = "tags are texts in parentheses, as in tags(\"tenant:{tenant}\")";
    let form = |error: Error| Error::new(error.span(), FORM);
    let list = |input: ParseStream<'_>| {
        let inner;
        parenthesized!(inner in input);
        Punctuated::<LitStr, Token![,]>::parse_terminated(&inner)
    };
    let tags: Vec<_> = list(input).map_err(form)?.into_iter().collect();
    if let Some(ninth) = tags.get(tags::MOST) {
        let problem = "a key has at most 8 tags, and this is the ninth: tag by what is flushed together, and invalidate single entries by their keys";
        return Err(Error::new(ninth.span(), problem));
    }
    Ok(tags)
}

/// `"60s"` as a `Duration` in milliseconds.
fn duration(input: ParseStream<'_>) -> Result<TokenStream> {
    const FORM: &str = "a time is a string such as \"250ms\", \"60s\", \"5m\" or \"1h\"";
    let text: LitStr = input
        .parse()
        .map_err(|error| Error::new(error.span(), FORM))?;
    let value = text.value();
    let digits = value
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(Error::new(text.span(), FORM)),
    };
    let millis = number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(factor));
    let millis = millis.ok_or_else(|| Error::new(text.span(), FORM))?;
    Ok(quote!(::core::time::Duration::from_millis(#millis)))
}
