/** No control characters: they have no place in a name. Written without a flag, since clients read the pattern from the OpenAPI document. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it keeps out
export const NO_CONTROL_CHARACTERS = /^[^\u0000-\u001f\u007f-\u009f]*$/
