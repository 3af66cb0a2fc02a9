//! Serde for the struct of a message. The types of the fields are named in exactly two places, both
//! times as `<Type as Wire>`: the compiler shows two equal errors as one.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::message::{MARKER, is_marked};
use crate::hygiene::{local, parameter};
use crate::model::{Argument, Contract, Message};

pub(super) fn arguments(contract: &Contract, message: &Message) -> [TokenStream; 3] {
    let (root, name) = (&contract.root, &message.message);
    let struct_name = name.to_string();
    let names = message.arguments().map(Argument::field);
    let (write, read) = (write(contract, message), read(contract, message));
    [
        quote! {
            #[doc(hidden)]
            impl #root::Arguments for #name {
                const STRUCT: &'static str = #struct_name;
                const FIELDS: &'static [&'static str] = &[#(#names),*];
                #write
                #read
            }
        },
        quote! {
            #[doc(hidden)]
            impl #root::serde::Serialize for #name {
                fn serialize<S: #root::serde::Serializer>(
                    &self,
                    serializer: S,
                ) -> ::core::result::Result<S::Ok, S::Error> {
                    #root::write_arguments(self, serializer)
                }
            }
        },
        quote! {
            #[doc(hidden)]
            impl<'de> #root::serde::Deserialize<'de> for #name {
                fn deserialize<D: #root::serde::Deserializer<'de>>(
                    deserializer: D,
                ) -> ::core::result::Result<Self, D::Error> {
                    #root::read_arguments(deserializer)
                }
            }
        },
    ]
}

fn write(contract: &Contract, message: &Message) -> TokenStream {
    let root = &contract.root;
    let to = if message.arguments().next().is_some() { local("fields") } else { local("_") };
    let steps = message.arguments().map(|argument| {
        let (Argument { name, ty }, field) = (argument, argument.field());
        quote!(<#ty as #root::Wire>::write(&self.#name, #field, #to)?;)
    });
    let writer = parameter("Fields");
    quote! {
        fn write<#writer: #root::serde::ser::SerializeStruct>(
            &self,
            #to: &mut #writer,
        ) -> ::core::result::Result<(), #writer::Error> {
            #(#steps)*
            ::core::result::Result::Ok(())
        }
    }
}

fn read(contract: &Contract, message: &Message) -> TokenStream {
    let root = &contract.root;
    let (from, place, reader) = (local("fields"), local("place"), parameter("Fields"));
    let marker = is_marked(contract, message).then(|| {
        let marker = local(MARKER);
        quote!(#marker: ::core::marker::PhantomData,)
    });
    if message.arguments().next().is_none() {
        return quote! {
            fn read<'de, #reader: #root::Fields<'de>>(
                #from: &mut #reader,
            ) -> ::core::result::Result<Self, #reader::Error> {
                while #from.place()?.is_some() {
                    #from.skip()?;
                }
                ::core::result::Result::Ok(Self { #marker })
            }
        };
    }
    let slots = message.arguments().map(|argument| {
        let name = &argument.name;
        quote!(let mut #name = ::core::option::Option::None;)
    });
    let arms = message.arguments().enumerate().map(|(place, argument)| {
        let (Argument { name, ty }, field) = (argument, argument.field());
        let place = Literal::usize_unsuffixed(place);
        quote!(#place => <#ty as #root::Wire>::read(&mut #name, #field, #from)?,)
    });
    let fields = message.arguments().map(|argument| {
        let (Argument { name, ty }, field) = (argument, argument.field());
        quote!(#name: <#ty as #root::Wire>::take(#name, #field)?,)
    });
    quote! {
        fn read<'de, #reader: #root::Fields<'de>>(
            #from: &mut #reader,
        ) -> ::core::result::Result<Self, #reader::Error> {
            #(#slots)*
            while let ::core::option::Option::Some(#place) = #from.place()? {
                match #place {
                    #(#arms)*
                    _ => #from.skip()?,
                }
            }
            ::core::result::Result::Ok(Self { #(#fields)* #marker })
        }
    }
}
