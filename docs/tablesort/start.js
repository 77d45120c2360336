// A click on the head of a column sorts its table, where no row belongs to one above it.
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("article table:not([class])")) {
    if ([...table.rows].every((row) => row.cells[0].textContent.trim())) new Tablesort(table);
  }
});
