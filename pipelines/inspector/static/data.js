// Requests to the server. The values of a table are sent as one string of float32 numbers.

export const fetchSeries = () => fetchJson("./series");
export const fetchDamaged = () => fetchJson("./damaged");
export const fetchColours = () => fetchJson("./colours");

export async function fetchTable({ run, kind, name }, query) {
  const table = await fetchJson(`./table?${new URLSearchParams({ run, kind, name, ...query })}`);
  const bytes = Uint8Array.from(atob(table.values), (letter) => letter.charCodeAt(0));
  return { ...table, values: new Float32Array(bytes.buffer) }; // [steps × columns]
}

async function fetchJson(url) {
  const response = await fetch(url);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}
