create table products (
  id bigint primary key,
  category_id bigint not null references categories (id),
  slug text not null unique,
  name text not null,
  description text not null,
  watts numeric(6, 2),
  archived boolean not null default false
)
