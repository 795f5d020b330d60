"""Do the predictions hold?  A plan of real migrations, recorded, and the model beside them."""
