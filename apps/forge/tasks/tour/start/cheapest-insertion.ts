/** Cheapest insertion: the city that makes the tour the least longer. */
export const priority = (centre: number, near: number, cost: number): number => -cost
