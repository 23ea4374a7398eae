/** Nearest insertion: the city that is nearest to one of the tour. */
// oxlint-disable-next-line no-unused-vars
export const priority = (centre: number, near: number, cost: number): number => -near
