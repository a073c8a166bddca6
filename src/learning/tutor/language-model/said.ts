/** Characters that are never seen: controls, and marks that turn the direction of text or have no width. Those within emoji stay. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it takes out
const UNSEEN = /[\u0000-\u0008\u000e-\u001f\u007f-\u009f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]|\p{Cs}/gu
/** Emphasis and headings. A star between numbers stays. */
const MARKDOWN = /\*{2,}|(?<![\p{L}\p{N}])\*(?=\p{L})|(?<=[\p{L}.,!?])\*(?![\p{L}\p{N}])|_{2,}|^#{1,6}\s+/gmu
/** What belongs to code, markup or links, and to nothing that is said to a child. */
const UNSPEAKABLE = /[{}\\`|\ufffd]|<[/!?a-z]|https?:|www\.|\]\(/iu

/** A sentence as it is said: without Markdown and what cannot be seen, with single spaces. */
export const cleaned = (text: string): string => text.replace(UNSEEN, '').replace(MARKDOWN, '').replace(/\s+/g, ' ')

/** Whether it may be words for a child, as opposed to code, markup, a link or no words at all. */
export const isSpeakable = (text: string): boolean => !UNSPEAKABLE.test(text) && /[\p{L}\p{N}]/u.test(text)

/** What two texts have in common that only differ in writing. */
export const gist = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '')
