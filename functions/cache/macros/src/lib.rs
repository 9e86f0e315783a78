//! The attribute of the crate `larder`, which documents it: parses, and emits calls into that crate.

use proc_macro::TokenStream;

mod args;
mod companions;
mod expand;
mod function;
mod output;

/// Exported and documented by the crate `larder`.
#[proc_macro_attribute]
pub fn cached(args: TokenStream, item: TokenStream) -> TokenStream {
    let parsed = syn::parse::<args::Args>(args)
        .and_then(|args| function::Function::parse(&args, item.clone().into()).map(|f| (args, f)));
    match parsed {
        Ok((args, function)) => expand::expand(&args, &function).into(),
        Err(error) => {
            // The function stays as it is: one mistake, one message.
            let mut out = TokenStream::from(error.to_compile_error());
            out.extend(item);
            out
        }
    }
}
