/** The history of a git repository, read with the user's own git. */
export * as Commit from "./Commit.ts"
export * as ComponentName from "./ComponentName.ts"
export * as GitError from "./GitError.ts"
export * as GitImport from "./GitImport.ts"
export * as GitRepository from "./GitRepository.ts"
