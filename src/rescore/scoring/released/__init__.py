"""Numbers of papers held against what their authors, and others who ran their code, left in public: predictions and logs."""
