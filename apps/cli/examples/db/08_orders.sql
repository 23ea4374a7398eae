create table orders (
  id bigint primary key,
  user_id bigint references users (id),
  state text not null,
  total bigint not null,
  currency char(3) not null,
  placed_at timestamptz not null
);

create table order_lines (
  order_id bigint not null references orders (id),
  product_id bigint not null references products (id),
  quantity integer not null check (quantity > 0),
  amount bigint not null,
  primary key (order_id, product_id)
)
