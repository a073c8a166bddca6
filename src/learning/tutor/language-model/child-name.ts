/**
 * Takes a name out of texts: all of it however it is written, and what comes after the first name where it is written as
 * the parent did. A first name alone stays: it may be a word like any other ("Sky", "Will").
 */
export function nameRemover(name = ''): (text: string) => string {
  const [first, ...others] = name.match(/[\p{L}\p{N}][\p{L}\p{M}\p{N}'’.-]*/gu) ?? []
  if (first === undefined || others.length === 0) return (text) => text
  const word = (words: readonly string[], space: string) => `(?<![\\p{L}\\p{N}])(?:${words.map(escapeRegExp).join(space)})(?![\\p{L}\\p{N}])`
  const whole = new RegExp(word([first, ...others], '[^\\p{L}\\p{N}]+'), 'giu')
  const parts = new RegExp(word(others, '|'), 'gu')
  return (text) => text.replace(whole, first).replace(parts, '').replace(/ {2,}/g, ' ')
}

const escapeRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
