//! `tags("tenant:{tenant}", …)`: the texts, and the arguments within them. A tag may use only what
//! is part of the key: two calls with one key and different tags would replace each other's entry.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Error, Expr, LitStr, Member, Result, UnOp};

use crate::{args::Args, function::Function};

/// The longest text of a tag, in bytes.
const LONGEST: usize = 256;

/// A closure that writes the tags of a call; `None`: it has none.
pub(crate) fn tags(args: &Args, function: &Function) -> Result<Option<TokenStream>> {
    if args.tags.is_empty() {
        return Ok(None);
    }
    let its = Ident::new("_tags", Span::mixed_site());
    let mut all = Vec::with_capacity(args.tags.len());
    for text in &args.tags {
        let (form, fields) = parsed(text)?;
        let values: Vec<_> = fields
            .iter()
            .map(|field| value(field, text, args, function))
            .collect::<Result<_>>()?;
        let form = LitStr::new(&form, text.span());
        let here = Span::call_site().located_at(text.span());
        all.push(quote_spanned! {here=>
            ::larder::__private::tag(#its, ::core::format_args!(#form, #(#values),*))?;
        });
    }
    Ok(Some(
        quote!(|#its| { #(#all)* ::core::result::Result::Ok(()) }),
    ))
}

/// The text with `{}` for each argument, and the arguments, such as `self.tenant`.
fn parsed(text: &LitStr) -> Result<(String, Vec<String>)> {
    let error = |problem: &str| Err(Error::new(text.span(), problem));
    let value = text.value();
    if !(1..=LONGEST).contains(&value.len()) {
        return error("a tag has 1 to 256 bytes, such as \"tenant:{tenant}\"");
    }
    let (mut form, mut fields) = (String::new(), Vec::new());
    let mut rest = &*value;
    while let Some(place) = rest.find(['{', '}']) {
        let (before, behind) = rest.split_at(place);
        form.push_str(before);
        let sign = &behind[..1];
        if behind[1..].starts_with(sign) {
            form.push_str(&behind[..2]);
            rest = &behind[2..];
            continue;
        }
        let Some((field, behind)) = behind[1..].split_once('}').filter(|_| sign == "{") else {
            return error("this brace has no other one: write `{{` or `}}` for the sign itself");
        };
        let (path, spec) = field.split_once(':').unwrap_or((field, ""));
        if path.trim().is_empty() || spec.contains(['$', '*']) {
            return error("a tag names each argument that it uses, as in \"tenant:{tenant}\"");
        }
        form.push_str(&["{", &field[path.len()..], "}"].concat());
        fields.push(path.trim().to_owned());
        rest = behind;
    }
    form.push_str(rest);
    Ok((form, fields))
}

/// An argument, or a field of one, if it is part of the key.
fn value(path: &str, text: &LitStr, args: &Args, function: &Function) -> Result<TokenStream> {
    let error = |problem: String| Err(Error::new(text.span(), problem));
    let mut words = path.split('.');
    let name = words.next().unwrap_or_default();
    let root = match function.receiver() {
        Some(receiver) if name == "self" => receiver.self_token.to_token_stream(),
        _ => match function.inputs.iter().find(|input| input.name == name) {
            Some(input) => {
                let mut name = input.name.clone();
                name.set_span(name.span().located_at(text.span()));
                name.to_token_stream()
            }
            None => {
                let names = function.inputs.iter();
                let names: Vec<_> = names.map(|one| format!("`{}`", one.name)).collect();
                let there = match names[..] {
                    [] => "none".to_owned(),
                    _ => names.join(", "),
                };
                return error(format!(
                    "there is no argument `{name}` for this tag: there are {there}"
                ));
            }
        },
    };
    if args.skip.iter().any(|skip| skip == name) {
        return error(format!(
            "`{name}` is skipped, and this tag uses it: a tag may only use what is part of the key"
        ));
    }
    if args.key.as_ref().is_some_and(|key| !is_part(path, key)) {
        return error(format!(
            "`{path}` is no part of `key`, and this tag uses it: add it to `key`, or leave it out of the tag"
        ));
    }
    let mut fields = Vec::new();
    for word in words {
        let Ok(field) = syn::parse_str::<Member>(word.trim()) else {
            return error(format!(
                "`{path}` is neither an argument nor a field of one"
            ));
        };
        fields.push(field);
    }
    Ok(quote!(#root #(.#fields)*))
}

/// Whether `path`, or what it is a field of, is one of the parts of `key`.
fn is_part(path: &str, key: &Expr) -> bool {
    let is = |part: &Expr| {
        let part: String = bare(part).to_token_stream().to_string();
        let part: String = part.split_whitespace().collect();
        let rest = path.strip_prefix(&*part);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    match key {
        Expr::Tuple(tuple) => tuple.elems.iter().any(is),
        one => is(one),
    }
}

/// What is borrowed, dereferenced or in parentheses.
fn bare(mut part: &Expr) -> &Expr {
    loop {
        part = match part {
            Expr::Reference(of) => &of.expr,
            Expr::Unary(of) if matches!(of.op, UnOp::Deref(_)) => &of.expr,
            Expr::Paren(of) => &of.expr,
            Expr::Group(of) => &of.expr,
            part => return part,
        };
    }
}
