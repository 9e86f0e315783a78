//! The attribute of the crate `larder`, which documents it: parses, and emits calls into that
//! crate.

use proc_macro::TokenStream;

mod args;
mod companions;
mod expand;
mod function;
mod many;
mod output;
mod parts;
mod source;
mod tags;
mod tokens;

/// Exported and documented by the crate `larder`.
#[proc_macro_attribute]
pub fn cached(args: TokenStream, item: TokenStream) -> TokenStream {
    match expanded(args, item.clone()) {
        Ok(expanded) => expanded.into(),
        Err(error) => {
            // The function stays as it is: one mistake, one message.
            let mut out = TokenStream::from(error.to_compile_error());
            out.extend(item);
            out
        }
    }
}

fn expanded(args: TokenStream, item: TokenStream) -> syn::Result<proc_macro2::TokenStream> {
    let args = syn::parse::<args::Args>(args)?;
    let function = function::Function::parse(&args, item.into())?;
    let output = output::check(&function.sig)?;
    let parts = parts::Parts::new(&args, &function, &output)?;
    Ok(expand::expand(&parts))
}
