/** Best fit: the bin that has the least room left with the item in it. */
export const priority = (item: number, least: number, left: number): number => -left
