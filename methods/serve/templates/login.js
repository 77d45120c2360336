"use strict";
document.querySelector("#login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const token = document.querySelector("#token").value;
  const headers = { Authorization: `Bearer ${token}` };
  const answer = await fetch("/api/login", { method: "POST", headers });
  if (answer.ok) location.reload();
  else document.querySelector("#refused").textContent = "That is not the token.";
});
