//! The client: one method for each message.

use proc_macro2::TokenStream;
use quote::quote;

use super::message::{MARKER, is_marked};
use crate::hygiene::{local, twin};
use crate::model::{Contract, Message, Parameter};

pub(super) fn client(contract: &Contract) -> TokenStream {
    let (root, client) = (&contract.root, &contract.client);
    let doc = format!(" A client of one `{}`: cheap to clone and to send.", contract.owner.shown());
    let methods = contract.messages.iter().map(|message| method(contract, message));
    quote! {
        #[doc = #doc]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        pub struct #client {
            handle: #root::Handle,
        }

        #[doc(hidden)]
        impl #root::Client for #client {
            fn new(handle: #root::Handle) -> Self {
                Self { handle }
            }

            fn handle(&self) -> &#root::Handle {
                &self.handle
            }
        }

        // What the handlers may have, their twins may have as well.
        #[allow(dead_code, missing_docs, private_interfaces)]
        impl #client {
            #(#methods)*
        }
    }
}

fn method(contract: &Contract, message: &Message) -> TokenStream {
    let root = &contract.root;
    let Message { docs, cfgs, visibility, message: name, .. } = message;
    let method = twin(&message.method);
    let parameters = message.parameters.iter().filter_map(|parameter| match parameter {
        Parameter::Context => None,
        Parameter::Argument(argument) if message.is_sound => {
            let (name, ty) = (&argument.name, &argument.ty);
            Some(quote!(#name: #ty))
        }
        // Takes anything, so that calls of it are right.
        _ => Some(quote!(_: impl ::core::marker::Sized)),
    });
    let fields = message.arguments().map(|argument| &argument.name);
    let marker = is_marked(contract, message).then(|| {
        let marker = local(MARKER);
        quote!(#marker: ::core::marker::PhantomData)
    });
    let fields = fields.map(|field| quote!(#field)).chain(marker);
    let (call, make) = match message.options.stream {
        Some(_) => (quote!(StreamCall), quote!(stream)),
        None => (quote!(Call), quote!(call)),
    };
    quote! {
        #(#cfgs)*
        #(#docs)*
        #visibility fn #method(&self, #(#parameters),*) -> #root::#call<#name> {
            self.handle.#make(#name { #(#fields),* })
        }
    }
}
