// The little that a player must know of a fragment's inside: how many pictures it holds (ISO/IEC 14496-12: moof, traf,
// trun), so that one step is one picture at any frame rate.

function* boxes(view, from, to) {
  for (let at = from; at + 8 <= to;) {
    const size = view.getUint32(at);
    const kind = String.fromCharCode(view.getUint8(at + 4), view.getUint8(at + 5), view.getUint8(at + 6), view.getUint8(at + 7));
    if (size < 8 || at + size > to) return;
    yield [kind, at + 8, at + size];
    at += size;
  }
}

// Pictures in a media segment: the samples of the first track of each fragment. 0 when it cannot be told.
export function pictures(bytes) {
  const view = new DataView(bytes);
  let count = 0;
  for (const [kind, from, to] of boxes(view, 0, view.byteLength)) {
    if (kind !== "moof") continue;
    for (const [inner, start, end] of boxes(view, from, to)) {
      if (inner !== "traf") continue;
      for (const [last, first] of boxes(view, start, end)) if (last === "trun") count += view.getUint32(first + 4);
      break;
    }
  }
  return count;
}
