create table users (
  id bigint primary key,
  mail text not null unique,
  password_hash text not null,
  name text not null,
  created timestamptz not null default now()
)
