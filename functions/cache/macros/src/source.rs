//! Looks into the source file for what an attribute does not see: whether its function is in an
//! `impl`. For an error message only; without the file there is none.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

/// Whether all functions of this name in its file are in an `impl` or in a trait.
pub(crate) fn is_in_impl(name: &Ident) -> bool {
    let span = proc_macro::Span::call_site();
    // What begins a line is in no block, and needs no look at the file.
    if span.column() <= 1 {
        return false;
    }
    let file = span
        .local_file()
        .and_then(|file| std::fs::read_to_string(file).ok());
    let Some(Ok(tokens)) = file.map(|text| text.parse::<TokenStream>()) else {
        return false;
    };
    let mut found = Vec::new();
    look(tokens, name, false, &mut found);
    !found.is_empty() && found.iter().all(|in_impl| *in_impl)
}

/// Notes for each function of this name whether it is directly within an `impl` or a trait.
fn look(tokens: TokenStream, name: &Ident, in_impl: bool, found: &mut Vec<bool>) {
    // The words in front of a block say what it is the block of.
    let mut words: Vec<String> = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(word) => {
                if word == *name && words.last().is_some_and(|last| last == "fn") {
                    found.push(in_impl);
                }
                words.push(word.to_string());
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                let has = |word: &str| words.iter().any(|other| other == word);
                let is_impl = (has("impl") || has("trait")) && !has("fn");
                look(group.stream(), name, is_impl, found);
                words.clear();
            }
            TokenTree::Group(group) => look(group.stream(), name, in_impl, found),
            TokenTree::Punct(sign) if sign.as_char() == ';' => words.clear(),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}
